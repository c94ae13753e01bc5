package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// maxFiles is how many files go with one message.
const maxFiles = 20

// Files says which files of this machine may be sent to the user. The zero
// Files allow none.
type Files struct {
	// Roots are the directories that they must be in, symbolic links followed.
	Roots []string
	// Never are files and directories that are not sent wherever they are, also
	// under another name: the token's file, the runtime's own directory.
	Never []string
}

// openFile is a file that may be sent.
type openFile struct {
	*os.File
	name string
	size int64
}

// open opens all the files or none. Every size is looked at before anything is
// read.
func (f Files) open(paths []string) (_ []*openFile, err error) {
	var opened []*openFile
	defer func() {
		if err != nil {
			closeAll(opened)
		}
	}()
	if len(paths) > maxFiles {
		return nil, Bad("attachments", fmt.Sprintf("has %d files", len(paths)), fmt.Sprintf("send at most %d with one message", maxFiles))
	}
	var total int64
	for i, path := range paths {
		field := fmt.Sprintf("attachments[%d]", i)
		file, err := f.openOne(field, path)
		if err != nil {
			return nil, err
		}
		opened = append(opened, file)
		total += file.size
		if file.size > registry.MaxUploadFile {
			return nil, Bad(field, fmt.Sprintf("has %d bytes", file.size), fmt.Sprintf("send at most %d MiB, or a part of it", registry.MaxUploadFile>>20))
		}
	}
	if total > registry.MaxUpload {
		return nil, Bad("attachments", fmt.Sprintf("have %d bytes together", total), fmt.Sprintf("send at most %d MiB with one message", registry.MaxUpload>>20))
	}
	return opened, nil
}

func closeAll(files []*openFile) {
	for _, f := range files {
		_ = f.Close() // they were only read
	}
}

func (f Files) openOne(field, path string) (*openFile, error) {
	path = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(path), "workspace:"), "file://")
	if !filepath.IsAbs(path) {
		return nil, Bad(field, "is "+quote(path)+", which is no absolute path", "give the whole path of a file"+f.where())
	}
	real, err := filepath.EvalSymlinks(filepath.Clean(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Bad(field, "is "+quote(path)+", and there is no such file", "give the path of a file that is there"+f.where())
	case err != nil:
		return nil, Bad(field, "is "+quote(path)+", which cannot be looked at", "give the path of another file"+f.where())
	}
	file, err := f.openBelow(real)
	if err != nil {
		return nil, Bad(field, "is "+quote(path)+", which may not be sent or cannot be read", "send only files that you may read"+f.where())
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, Bad(field, "is "+quote(path)+", which is no ordinary file", "send files one by one")
	}
	if f.never(real, info) {
		_ = file.Close()
		return nil, Bad(field, "is "+quote(path)+", which belongs to the runtime and is never sent", "send another file")
	}
	return &openFile{file, filepath.Base(path), info.Size()}, nil
}

// openBelow opens a path that must be in one of the roots. The root sees to it
// that no link leads out, also when one is put there meanwhile; a pipe without a
// writer must not hold the call up.
func (f Files) openBelow(path string) (*os.File, error) {
	for _, dir := range f.Roots {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		rel, err := filepath.Rel(real, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		root, err := os.OpenRoot(real)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		return root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	return nil, fs.ErrPermission
}

// never reports whether a file is one of those that are not sent, or below one.
func (f Files) never(real string, info fs.FileInfo) bool {
	return slices.ContainsFunc(f.Never, func(path string) bool {
		if same, err := os.Stat(path); err == nil && os.SameFile(same, info) {
			return true // also under another name
		}
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			path = resolved
		}
		rel, err := filepath.Rel(filepath.Clean(path), real)
		return err == nil && filepath.IsLocal(rel)
	})
}

// where says from where files may be sent.
func (f Files) where() string {
	if len(f.Roots) == 0 {
		return "; no files may be sent from this workspace"
	}
	return "; it must be below " + strings.Join(f.Roots, " or ")
}
