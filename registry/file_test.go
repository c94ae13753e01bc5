package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

func TestUploadsAreTheContracts(t *testing.T) {
	b := serve(t, answer(200, `{"files":[{"uri":"workspace:/a","name":"a.txt","mimeType":"text/plain","size":5},{"uri":"workspace:/b","name":"b","size":0}]}`))
	got, err := b.client(t).UploadFiles(t.Context(), textFile("a.txt", "hello"), registry.Upload{Name: `b"ü`, Open: textFile("", "").Open})
	if err != nil {
		t.Fatal(err)
	}
	want := []registry.Attachment{{URI: "workspace:/a", Name: "a.txt", MIMEType: "text/plain", Size: 5}, {URI: "workspace:/b", Name: "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attachments (-want +got):\n%s", diff)
	}
	r := b.requests()[0]
	kind, boundary, _ := strings.Cut(r.Header.Get("Content-Type"), "; boundary=")
	if r.Method != "POST" || r.URI != "/workspaces/"+ownID+"/chat/uploads" || kind != "multipart/form-data" {
		t.Errorf("request: %s %s, %s", r.Method, r.URI, kind)
	}
	body := strings.ReplaceAll(r.Body, boundary, "B")
	wantBody := "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello" +
		"\r\n--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b%22ü\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--B--\r\n"
	if diff := cmp.Diff(wantBody, strings.ReplaceAll(body, `\"`, "%22")); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if r.Header.Get("Content-Length") != fmt.Sprint(len(r.Body)) {
		t.Errorf("Content-Length %s of %d bytes", r.Header.Get("Content-Length"), len(r.Body))
	}
}

// An upload holds no file in memory, and opens each when it is its turn.
func TestUploadsAreStreamed(t *testing.T) {
	const size = 20 << 20
	var open atomic.Int64
	file := func(name string) registry.Upload {
		return registry.Upload{Name: name, Size: size, Open: func() (io.ReadCloser, error) {
			if n := open.Add(1); n > 1 {
				t.Errorf("%d files open at once", n)
			}
			return closing{io.LimitReader(zeros{}, size), func() { open.Add(-1) }}, nil
		}}
	}
	b := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(200, `{"files":[{"uri":"u","name":"a"},{"uri":"u","name":"b"}]}`)(w, nil)
	})
	if _, err := b.client(t).UploadFiles(t.Context(), file("a"), file("b")); err != nil {
		t.Fatal(err)
	}
	if n := len(b.requests()[0].Body); n < 2*size || open.Load() != 0 {
		t.Errorf("%d bytes arrived, %d files are open", n, open.Load())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type closing struct {
	io.Reader
	then func()
}

func (c closing) Close() error { c.then(); return nil }

func TestUploadsThatFail(t *testing.T) {
	broken := errors.New("the disk is gone")
	shrunk, grown, gone, unreadable := textFile("a.txt", "hello"), textFile("a.txt", "hello"), textFile("a.txt", "hello"), textFile("a.txt", "hello")
	shrunk.Size, grown.Size = 6, 4
	gone.Open = func() (io.ReadCloser, error) { return nil, broken }
	unreadable.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("he"), readerFunc(func([]byte) (int, error) { return 0, broken }))), nil
	}
	b := serve(t, answer(200, `{"files":[]}`))
	for name, f := range map[string]registry.Upload{"shrunk": shrunk, "grown": grown, "gone": gone, "unreadable": unreadable} {
		_, err := b.client(t).UploadFiles(t.Context(), f)
		if err == nil || registry.FromPlatform(err) || !strings.Contains(err.Error(), "a.txt") {
			t.Errorf("%s: %v", name, err)
		}
		if (name == "gone" || name == "unreadable") != errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.client(t).UploadFiles(t.Context(), textFile("a.txt", "hello")); !errors.Is(err, registry.ErrUnexpectedAnswer) {
		t.Errorf("stored nothing: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDownloadsAreBounded(t *testing.T) {
	content := strings.Repeat("x", 1000)
	chunked := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="x.txt"`)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, content[:500])
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, content[500:])
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2000")
		_, _ = io.WriteString(w, content)
	}
	tests := []struct {
		name  string
		serve http.HandlerFunc
		most  int64
		got   int   // bytes
		want  error // nil for none
	}{
		{"whole", answer(200, content), 0, 1000, nil},
		{"exactly", answer(200, content), 1000, 1000, nil},
		{"announced as too large", answer(200, content), 999, 0, registry.ErrTooLarge},
		{"chunked", chunked, 0, 1000, nil},
		{"chunked, exactly", chunked, 1000, 1000, nil},
		{"chunked, too large", chunked, 999, 999, registry.ErrTooLarge},
		{"chunked, much too large", chunked, 1, 1, registry.ErrTooLarge},
		{"cut", cut, 0, 1000, io.ErrUnexpectedEOF},
		{"not found", answer(404, `{"error":"file not found"}`), 0, 0, registry.ErrNotFound},
		{"no file", answer(204, ""), 0, 0, registry.ErrUnexpectedAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := serve(t, tt.serve)
			var got []byte
			d, err := b.client(t).DownloadFile(t.Context(), "workspace:/workspace/a b&c", tt.most)
			if err == nil {
				defer d.Close()
				got, err = io.ReadAll(d)
				if _, again := d.Read(make([]byte, 1)); again == nil {
					t.Error("there is more after the end")
				}
			}
			if len(got) != tt.got || !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%d bytes and %v", len(got), err)
			}
			if uri := b.requests()[0].URI; uri != "/workspaces/"+ownID+"/chat/download?path=%2Fworkspace%2Fa+b%26c" {
				t.Errorf("URI = %s", uri)
			}
		})
	}
	d, err := serve(t, chunked).client(t).DownloadFile(t.Context(), "/workspace/x.txt", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Name != "x.txt" || d.MIMEType != "text/plain" || d.Size != -1 {
		t.Errorf("download = %q, %q, %d", d.Name, d.MIMEType, d.Size)
	}
}

func TestFilesThereAndBack(t *testing.T) {
	p := registrytest.NewPlatform(t)
	w := p.AddWorkspace(ownID, registrytest.WithContainer())
	auth := &bearing{base: p.Transport()}
	token := w.IssueToken()
	auth.token.Store(&token)
	c := mustClient(t, p.URL(), registry.WithTransport(auth))
	stored, err := c.UploadFiles(t.Context(), textFile("a file.txt", "hello"), textFile("b.txt", strings.Repeat("b", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Notify(t.Context(), registry.NotifyRequest{Message: "look", Attachments: stored}); err != nil {
		t.Fatal(err)
	}
	d, err := c.DownloadFile(t.Context(), stored[0].URI, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := io.ReadAll(d); err != nil || string(got) != "hello" || d.Size != 5 || !strings.HasSuffix(d.Name, "a_file.txt") {
		t.Errorf("%q, %v, %+v", got, err, d)
	}
	w.PutPlugin("lint", []byte("archive"))
	plugin, err := c.DownloadPlugin(t.Context(), "lint", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer plugin.Close()
	if got, err := io.ReadAll(plugin); err != nil || !bytes.Equal(got, []byte("archive")) || plugin.MIMEType != "application/gzip" {
		t.Errorf("%q, %v, %+v", got, err, plugin)
	}
}

// Without a source the platform has only what it ships itself.
func TestDownloadPluginFromASource(t *testing.T) {
	p := registrytest.NewPlatform(t, registrytest.WithInMemory())
	w := p.AddWorkspace(ownID)
	token := w.IssueToken()
	auth := &bearing{base: p.Transport()}
	auth.token.Store(&token)
	c := mustClient(t, p.URL(), registry.WithTransport(auth))
	const source = "github://acme/lint#v1.2.0"
	w.PutPlugin("lint", []byte("local"))
	w.PutPluginFrom(source, "lint", []byte("remote"))
	for from, want := range map[string]string{"": "local", "local://lint": "local", source: "remote"} {
		d, err := c.DownloadPlugin(t.Context(), "lint", from, 0)
		if err != nil {
			t.Fatalf("%q: %v", from, err)
		}
		if got, err := io.ReadAll(d); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", from, got, err, want)
		}
		d.Close()
	}
	for _, bad := range []struct {
		name, source string
		status       int
	}{
		{"lint", "github://acme/none#v1", http.StatusNotFound},
		{"lint", "gopher://acme/lint", http.StatusBadRequest},
		{"other", source, http.StatusBadRequest}, // it is another plugin
	} {
		_, err := c.DownloadPlugin(t.Context(), bad.name, bad.source, 0)
		var e *registry.Error
		if !errors.As(err, &e) || e.Status != bad.status {
			t.Errorf("%s from %s: %v, want status %d", bad.name, bad.source, err, bad.status)
		}
	}
}
