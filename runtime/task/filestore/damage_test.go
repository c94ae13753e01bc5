package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// sample is a small file with branches, large values and free pages, and what
// is in it.
func sample(tb testing.TB) (file []byte, truth map[string]string) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "sample.db")
	s, err := filestore.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	truth = map[string]string{}
	for i := range 60 {
		key, value := fmt.Sprintf("key %03d", i), fmt.Sprintf("value %d %s", i, bytes.Repeat([]byte{'v'}, i*7%300))
		if i == 7 {
			value = string(bytes.Repeat([]byte("large"), 2000))
		}
		truth[key] = value
		ops := []task.Op{put(key, value)}
		if i%9 == 8 {
			gone := fmt.Sprintf("key %03d", i-4)
			delete(truth, gone)
			ops = append(ops, task.Op{Kind: task.Delete, Bucket: task.BucketEvents, Key: gone})
		}
		if err := s.Commit(tb.Context(), ops); err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	file, err = os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	const page = 4096 // the file is longer than what is used of it
	used := len(bytes.TrimRight(file, "\x00"))
	return file[:(used+page-1)/page*page], truth
}

// holdAgainst opens a file and checks that nothing is read from it that was not
// written. It returns 1 when the damage was found.
func holdAgainst(tb testing.TB, path string, file []byte, truth map[string]string) int {
	tb.Helper()
	if err := os.WriteFile(path, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	s, err := filestore.Open(path)
	if err != nil {
		if !errors.Is(err, filestore.ErrCorrupt) && !errors.Is(err, filestore.ErrLayout) {
			tb.Errorf("%v, want ErrCorrupt", err)
		}
		return 1
	}
	defer s.Close()
	found, err := s.Scan(tb.Context(), task.Range{Bucket: task.BucketEvents})
	for _, e := range found {
		if want, ok := truth[e.Key]; truth != nil && (!ok || want != string(e.Value)) {
			// An older meta page shows an older state, in which a key may be
			// there that was removed; its value is whole.
			if ok {
				tb.Errorf("%q reads as %.40q, want %.40q", e.Key, e.Value, want)
			}
		}
	}
	if err != nil && !errors.Is(err, filestore.ErrCorrupt) {
		tb.Errorf("Scan: %v, want ErrCorrupt", err)
	}
	// It can be written to, or says why not.
	if err := s.Commit(tb.Context(), []task.Op{put("key 030", "new"), put("zzz", "new")}); err != nil {
		if !errors.Is(err, filestore.ErrCorrupt) {
			tb.Errorf("Commit: %v", err)
		}
		return 1
	}
	v, err := s.Get(tb.Context(), task.BucketEvents, "key 030")
	if err != nil || string(v) != "new" {
		tb.Errorf("what was written now reads as %q, %v", v, err)
	}
	if err != nil {
		return 1
	}
	return 0
}

func FuzzOpen(f *testing.F) {
	whole, _ := sample(f)
	f.Add(whole, uint32(0), byte(0), uint32(0))
	f.Add(whole, uint32(16), byte(1), uint32(0))
	f.Add(whole, uint32(4096+16+48), byte(255), uint32(9000))
	f.Add([]byte{}, uint32(0), byte(0), uint32(0))
	f.Add([]byte("rubbish"), uint32(0), byte(0), uint32(0))
	path := filepath.Join(f.TempDir(), "tasks.db")
	f.Fuzz(func(t *testing.T, file []byte, at uint32, flip byte, cut uint32) {
		if len(file) > 1<<20 {
			return
		}
		if len(file) > 0 {
			file[int(at)%len(file)] ^= flip
			file = file[:len(file)-int(cut)%len(file)]
		}
		holdAgainst(t, path, file, nil)
	})
}
