package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
)

// How much the platform takes at once.
const (
	MaxUploadFile = 25 << 20 // bytes of one file
	MaxUpload     = 50 << 20 // bytes of one request, all files and what is around them
)

// Upload is a file to be given to the platform.
type Upload struct {
	Name     string // required; the platform keeps [A-Za-z0-9._-] of it, 100 characters at most
	MIMEType string // empty is application/octet-stream
	Size     int64  // bytes, exactly
	// Open opens the content at its beginning. It is called once for each time
	// the files are sent, which is twice when a token has to be refreshed.
	Open func() (io.ReadCloser, error)
}

// UploadFiles gives files to the platform and returns what [Client.Notify] can
// attach, in the same order: POST /workspaces/{id}/chat/uploads. The files are
// streamed, never held in memory. A file or a request that the platform would
// not take is [ErrTooLarge] before anything is sent. A workspace without a
// container, such as an external one, has no room for files: [ErrUnavailable].
//
// The call is bounded by ctx alone. It is not repeated here, since each call
// stores the files again.
func (c *Client) UploadFiles(ctx context.Context, files ...Upload) (stored []Attachment, err error) {
	k := call{op: "UploadFiles", method: http.MethodPost, path: c.own("/chat/uploads"), asks: never, open: true}
	body, err := newUploadBody(files)
	if err != nil {
		return nil, fmt.Errorf("registry: UploadFiles: %w", err)
	}
	ctx, span := c.begin(ctx, k)
	defer func() { end(span, nil, err) }()
	req, err := http.NewRequestWithContext(ctx, k.method, c.base.String()+k.path, body.reader())
	if err != nil {
		return nil, callError(k, err)
	}
	c.headers(req, k, nil)
	req.Header.Set("Content-Type", body.contentType)
	req.ContentLength = body.length
	req.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil }
	resp, err := c.open.Do(req)
	if err != nil {
		return nil, callError(k, err)
	}
	defer resp.Body.Close()
	read, err := readBody(resp)
	if err != nil {
		return nil, callError(k, err)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: read[:min(len(read), bodyLimit(resp))]}
	if a.status < 200 || a.status > 299 {
		return nil, answerError(k, a)
	}
	var out struct {
		Files []Attachment `json:"files"`
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, unexpected(k, a, err)
	}
	if len(out.Files) != len(files) {
		return nil, unexpected(k, a, fmt.Errorf("%d files were sent and %d are stored", len(files), len(out.Files)))
	}
	return out.Files, nil
}

// uploadBody is a multipart body that can be read more than once.
type uploadBody struct {
	files       []Upload
	frames      [][]byte // what stands before each file, and after the last
	contentType string
	length      int64
}

func newUploadBody(files []Upload) (*uploadBody, error) {
	if len(files) == 0 {
		return nil, errors.New("no files")
	}
	var frame bytes.Buffer
	w := multipart.NewWriter(&frame)
	b := &uploadBody{files: files, contentType: w.FormDataContentType()}
	cut := func() {
		b.frames = append(b.frames, bytes.Clone(frame.Bytes()))
		b.length += int64(frame.Len())
		frame.Reset()
	}
	for i, f := range files {
		switch {
		case f.Name == "" || f.Open == nil || f.Size < 0:
			return nil, fmt.Errorf("file %d: a name, a size and a way to open it are required", i)
		case f.Size > MaxUploadFile:
			return nil, fmt.Errorf("file %q: %w: it has %d bytes, at most %d", excerpt([]byte(f.Name)), ErrTooLarge, f.Size, MaxUploadFile)
		}
		kind := f.MIMEType
		if kind == "" {
			kind = "application/octet-stream"
		}
		if !visible(strings.ReplaceAll(kind, " ", "")) {
			return nil, fmt.Errorf("file %q: MIME type %q cannot stand in a header", excerpt([]byte(f.Name)), excerpt([]byte(kind)))
		}
		// Never fails: it writes to memory.
		_, _ = w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {multipart.FileContentDisposition("files", f.Name)},
			"Content-Type":        {kind},
		})
		cut()
		b.length += f.Size
	}
	_ = w.Close()
	cut()
	if b.length > MaxUpload {
		return nil, fmt.Errorf("%w: the request has %d bytes, at most %d: send fewer files at once", ErrTooLarge, b.length, MaxUpload)
	}
	return b, nil
}

func (b *uploadBody) reader() io.ReadCloser {
	r := &uploadReader{}
	var parts []io.Reader
	for i, f := range b.files {
		content := &uploadFile{Upload: f}
		r.files = append(r.files, content)
		parts = append(parts, bytes.NewReader(b.frames[i]), content)
	}
	r.all = io.MultiReader(append(parts, bytes.NewReader(b.frames[len(b.files)]))...)
	return r
}

// uploadReader reads the body once and closes what it has opened. net/http may
// close it while it reads.
type uploadReader struct {
	mu    sync.Mutex // guards what follows
	all   io.Reader
	files []*uploadFile
	shut  bool
}

func (r *uploadReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		return 0, errors.New("the files are closed")
	}
	return r.all.Read(p)
}

func (r *uploadReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

// uploadFile is a file that is opened when it is its turn.
type uploadFile struct {
	Upload
	content io.ReadCloser
	read    int64
}

func (f *uploadFile) Read(p []byte) (int, error) {
	if f.content == nil {
		content, err := f.Open()
		if err != nil {
			return 0, fmt.Errorf("open %q: %w", excerpt([]byte(f.Name)), err)
		}
		f.content = content
	}
	n, err := f.content.Read(p)
	f.read += int64(n)
	switch {
	case f.read > f.Size, errors.Is(err, io.EOF) && f.read < f.Size:
		return 0, fmt.Errorf("file %q has not the %d bytes it should have: it has changed meanwhile", excerpt([]byte(f.Name)), f.Size)
	case errors.Is(err, io.EOF):
		if err := f.close(); err != nil {
			return n, fmt.Errorf("close %q: %w", excerpt([]byte(f.Name)), err)
		}
		return n, io.EOF
	case err != nil:
		return n, fmt.Errorf("read %q: %w", excerpt([]byte(f.Name)), err)
	}
	return n, nil
}

// close lets go of the content; more than once is harmless.
func (f *uploadFile) close() error {
	if f.content == nil {
		return nil
	}
	content := f.content
	f.content = done{}
	return content.Close()
}

// done is a content that has been read.
type done struct{}

func (done) Read([]byte) (int, error) { return 0, io.EOF }
func (done) Close() error             { return nil }

// Download is a file on its way from the platform. Reading more than was asked
// for is [ErrTooLarge]. The caller closes it.
type Download struct {
	io.ReadCloser
	Name     string // as the platform suggests it; may be empty
	MIMEType string
	Size     int64 // bytes, -1 when the platform does not say
}

// DownloadFile opens a file of this workspace's container: GET
// /workspaces/{id}/chat/download. path is absolute, below /configs, /workspace,
// /home or /plugins, or the URI of an [Attachment]. most is how many bytes may
// be read; 0 is [MaxUploadFile].
//
// The call is bounded by ctx alone, until the Download is closed. It is not
// repeated here.
func (c *Client) DownloadFile(ctx context.Context, path string, most int64) (*Download, error) {
	path = strings.TrimPrefix(path, "workspace:")
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "\x00") {
		return nil, fmt.Errorf("registry: DownloadFile: path %q: use an absolute one, or the URI of an attachment", excerpt([]byte(path)))
	}
	return c.download(ctx, call{
		op: "DownloadFile", method: http.MethodGet, path: c.own("/chat/download"), query: query("path", path), asks: never, open: true,
	}, most)
}

// DownloadPlugin opens the archive of a plugin, a gzipped tar: GET
// /workspaces/{id}/plugins/{name}/download. source is where the platform takes it
// from, a URL in one of the platform's schemes: it answers 400 to another one, and
// 422 to one of GitHub without a pinned reference. Empty is "local://NAME", what
// the platform has itself. The call is bounded as [Client.DownloadFile] is; most 0
// is 100 MiB, the platform's own limit. The platform sends no checksum.
func (c *Client) DownloadPlugin(ctx context.Context, name, source string, most int64) (*Download, error) {
	if err := checkSegment("plugin", name); err != nil {
		return nil, fmt.Errorf("registry: DownloadPlugin: %w", err)
	}
	if most == 0 {
		most = 100 << 20
	}
	return c.download(ctx, call{
		op: "DownloadPlugin", method: http.MethodGet, path: c.own("/plugins/" + escape(name) + "/download"), query: query("source", source), asks: never, open: true,
	}, most)
}

// download returns a file that is still to be read; its span ends before that.
func (c *Client) download(ctx context.Context, k call, most int64) (d *Download, err error) {
	ctx, span := c.begin(ctx, k)
	defer func() { end(span, nil, err) }()
	if most == 0 {
		most = MaxUploadFile
	}
	if most < 0 {
		return nil, fmt.Errorf("registry: %s: at most %d bytes: use a positive number, or 0 for the default", k.op, most)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, c.base.String()+k.path+k.query, nil)
	if err != nil {
		return nil, callError(k, err)
	}
	c.headers(req, k, nil)
	req.Header.Set("Accept", "*/*")
	resp, err := c.open.Do(req)
	if err != nil {
		return nil, callError(k, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, err := readBody(resp)
		if err != nil {
			return nil, callError(k, err)
		}
		a := &answer{status: resp.StatusCode, header: resp.Header, body: body[:min(len(body), bodyLimit(resp))]}
		if resp.StatusCode <= 299 {
			return nil, unexpected(k, a, errors.New("no file"))
		}
		return nil, answerError(k, a)
	}
	if resp.ContentLength > most {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("registry: %s: %w: it has %d bytes, at most %d", k.op, ErrTooLarge, resp.ContentLength, most)
	}
	d = &Download{
		ReadCloser: &capped{ReadCloser: resp.Body, left: most, k: k, most: most},
		MIMEType:   resp.Header.Get("Content-Type"), Size: resp.ContentLength,
	}
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		d.Name = params["filename"]
	}
	return d, nil
}

// capped refuses to read more than it may, and never takes a cut file for a
// whole one.
type capped struct {
	io.ReadCloser
	left, most int64
	k          call
}

func (r *capped) Read(p []byte) (int, error) {
	tooLarge := func() error {
		return fmt.Errorf("registry: %s: %w: it has more than %d bytes", r.k.op, ErrTooLarge, r.most)
	}
	if r.left < 0 {
		return 0, tooLarge()
	}
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1] // one more, to tell an end from too much
	}
	n, err := r.ReadCloser.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return n - 1, tooLarge()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, callError(r.k, fmt.Errorf("read the file: %w", err))
	}
	return n, err
}
