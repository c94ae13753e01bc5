package filestore

import (
	"errors"
	"io"
)

// window reads small pieces of a file that are close to each other with few
// calls: it holds one page's worth of it.
type window struct {
	r     io.ReaderAt
	end   int64 // of what is read of the file
	start int64
	buf   []byte // what is in the file from start on
}

// at returns n bytes, which are good until the next call.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if offset < 0 || offset > w.end-int64(n) {
		return nil, corrupt("something is outside of the file, at %d", offset)
	}
	if offset < w.start || offset+int64(n) > w.start+int64(len(w.buf)) {
		// From the beginning of the page on, as much as there is room for.
		size := int64(cap(w.buf))
		w.start = offset - offset%size
		if offset+int64(n) > w.start+size {
			w.start = offset
		}
		if int64(n) > size {
			w.buf, size = make([]byte, 0, n), int64(n)
		}
		w.buf = w.buf[:min(size, w.end-w.start)]
		if _, err := w.r.ReadAt(w.buf, w.start); err != nil {
			w.buf = w.buf[:0]
			if errors.Is(err, io.EOF) {
				return nil, corrupt("the file ends at %d", w.start)
			}
			return nil, err
		}
	}
	return w.buf[offset-w.start:][:n], nil
}
