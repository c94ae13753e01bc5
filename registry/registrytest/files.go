package registrytest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// How much of files the platform takes.
const (
	maxUploadFile = 25 << 20
	maxUpload     = 50 << 20
	uploadFolder  = "/workspace/.molecule/chat-uploads/"
)

// WithContainer gives the workspace a container, and with it a place for files.
// Without one, uploads and downloads are refused.
func WithContainer() WorkspaceOption {
	return rowOption(func(w *row) { w.files = map[string][]byte{} })
}

// PutFile puts a file into the workspace's container, at an absolute path.
func (w *Workspace) PutFile(path string, content []byte) {
	w.change(func(r *row) {
		if r.files == nil {
			r.files = map[string][]byte{}
		}
		r.files[path] = content
	})
}

// Files are the files in the workspace's container, by path.
func (w *Workspace) Files() map[string][]byte {
	return look(w, func(r *row) map[string][]byte { return maps.Clone(r.files) })
}

type uploadAnswer struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType,omitempty"`
	Size     int64  `json:"size"`
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// upload serves POST /workspaces/{id}/chat/uploads.
func (p *Platform) upload(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	if !p.hasContainer(x, id) {
		return
	}
	_, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" || len(x.body) > maxUpload {
		x.fail(http.StatusBadRequest, "failed to parse multipart form")
		return
	}
	stored, answers := map[string][]byte{}, []uploadAnswer{}
	for r := multipart.NewReader(bytes.NewReader(x.body), params["boundary"]); ; {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part)
		}
		if err != nil {
			x.fail(http.StatusBadRequest, "failed to parse multipart form")
			return
		}
		if part.FormName() != "files" {
			continue
		}
		name := unsafeInName.ReplaceAllString(part.FileName(), "_")
		name = name[:min(len(name), 100)]
		if len(content) > maxUploadFile {
			x.fail(http.StatusRequestEntityTooLarge, name+" exceeds per-file limit (25 MB)")
			return
		}
		at := uploadFolder + strings.ReplaceAll(newUUID(), "-", "") + "-" + name
		stored[at] = content
		answers = append(answers, uploadAnswer{
			URI: "workspace:" + at, Name: name, MIMEType: part.Header.Get("Content-Type"), Size: int64(len(content)),
		})
	}
	if len(answers) == 0 {
		x.fail(http.StatusBadRequest, "expected at least one 'files' field")
		return
	}
	if w := p.Workspace(id); w != nil {
		w.change(func(r *row) { maps.Copy(r.files, stored) })
	}
	x.json(http.StatusOK, map[string]any{"files": answers})
}

func (p *Platform) hasContainer(x *exchange, id string) bool {
	w := p.Workspace(id)
	if w == nil || look(w, func(r *row) bool { return r.files == nil }) {
		x.fail(http.StatusServiceUnavailable, "workspace container not running")
		return false
	}
	return true
}

// downloadFile serves GET /workspaces/{id}/chat/download.
func (p *Platform) downloadFile(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	at := x.r.URL.Query().Get("path")
	roots := []string{"/configs", "/workspace", "/home", "/plugins"}
	switch {
	case at == "":
		x.fail(http.StatusBadRequest, "path query required")
		return
	case !strings.HasPrefix(at, "/"):
		x.fail(http.StatusBadRequest, "path must be absolute")
		return
	case path.Clean(at) != at:
		x.fail(http.StatusBadRequest, "invalid path")
		return
	case !slices.ContainsFunc(roots, func(root string) bool { return at == root || strings.HasPrefix(at, root+"/") }):
		x.fail(http.StatusBadRequest, "path must be under "+strings.Join(roots, ", "))
		return
	case !p.hasContainer(x, id):
		return
	}
	content, ok := p.Workspace(id).Files()[at]
	if !ok {
		x.fail(http.StatusNotFound, "file not found")
		return
	}
	x.w.Header().Set("Content-Type", "application/octet-stream")
	x.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(at)}))
	x.w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = x.w.Write(content)
}
