package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestErrorsOfTheSystemAreExplained(t *testing.T) {
	for _, tc := range []struct {
		cause error
		is    error
		says  string
	}{
		{syscall.ENOSPC, syscall.ENOSPC, "disk of /data/tasks.db is full"},
		{syscall.EROFS, syscall.EROFS, "read-only"},
		{syscall.EACCES, fs.ErrPermission, "no permission for /data/tasks.db"},
		{syscall.EFBIG, syscall.EFBIG, "may not grow"},
		{syscall.EIO, syscall.EIO, "/data/tasks.db"},
	} {
		path := &os.PathError{Op: "truncate", Path: "/data/tasks.db", Err: tc.cause}
		for _, err := range []error{
			path,
			fmt.Errorf("file resize error: %w", path),
			fmt.Errorf("file resize error: %s", path), // as bolt does it
		} {
			got := explain("/data/tasks.db", err)
			if !errors.Is(got, tc.is) || !strings.Contains(got.Error(), tc.says) || errors.Is(got, ErrCorrupt) {
				t.Errorf("explain(%v) = %v; want an error that says %q", err, got, tc.says)
			}
		}
	}
}

func TestQuoteShortens(t *testing.T) {
	if got := quote([]byte("a\x00\n")); got != `"a\x00\n"` {
		t.Errorf("quote = %s", got)
	}
	if got := quote(make([]byte, 10_000)); len(got) > 300 || !strings.Contains(got, "10000 bytes") {
		t.Errorf("quote of a long key = %s", got)
	}
}
