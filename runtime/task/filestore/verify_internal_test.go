package filestore

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"
)

// failing is a disk that cannot be read from some place on.
type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("input/output error")

func (f failing) ReadAt(b []byte, offset int64) (int, error) {
	if offset+int64(len(b)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(b, offset)
}

// A file that cannot be read is not damaged: it may be readable the next time.
func TestErrorsOfReadingAreNoDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(data))
	if err := verify(bytes.NewReader(data), size); err != nil {
		t.Fatal(err)
	}
	for from := int64(0); from <= 4*int64(os.Getpagesize()); from += 1000 {
		if err := verify(failing{bytes.NewReader(data), from}, size); !errors.Is(err, errDisk) || errors.Is(err, ErrCorrupt) {
			t.Errorf("verify of a file that cannot be read from %d on = %v", from, err)
		}
	}
}

// sparse is a large file of zeros but for its begin.
type sparse struct{ begin []byte }

func (s sparse) ReadAt(b []byte, offset int64) (int, error) {
	clear(b)
	if offset < int64(len(s.begin)) {
		copy(b, s.begin[offset:])
	}
	return len(b), nil
}

// What a file says of itself does not decide how much memory its check takes.
func TestTheCheckTakesLittleMemory(t *testing.T) {
	page := make([]byte, 8<<10)
	size := int64(64 << 30)
	for i := range 2 {
		m := page[i*4<<10+pageHeaderSize:]
		order.PutUint32(m, metaMagic)
		order.PutUint32(m[4:], metaVersion)
		order.PutUint32(m[8:], 4<<10)
		order.PutUint64(m[16:], 2)
		order.PutUint64(m[32:], 3)
		order.PutUint64(m[40:], uint64(size/(4<<10)))
		order.PutUint64(m[48:], uint64(i))
		order.PutUint64(m[56:], metaSum(m))
	}
	leaf := make([]byte, 64)
	order.PutUint64(leaf, 2)
	order.PutUint16(leaf[8:], leafPage)
	order.PutUint16(leaf[10:], 0xffff)
	order.PutUint32(leaf[12:], 1<<23) // 32 GiB
	order.PutUint32(leaf[16+4:], 1<<20)
	order.PutUint32(leaf[16+8:], maxKeySize)
	order.PutUint32(leaf[16+12:], 1<<31)
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	err := verify(sparse{append(page, leaf...)}, size)
	goruntime.ReadMemStats(&after)
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("verify = %v, want ErrCorrupt", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("the check of a file of 64 GiB took %d bytes of memory", n)
	}
}
