// Modproxy packs the git-tracked files of a module into the layout of a
// file-based module proxy (https://go.dev/ref/mod#goproxy-protocol).
package main

import (
	"archive/zip"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

func main() {
	module := flag.String("module", "", "module path")
	version := flag.String("version", "", "version to give it")
	out := flag.String("out", "", "folder of the proxy")
	flag.Parse()
	if err := pack(*module, *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "modproxy:", err)
		os.Exit(1)
	}
}

func pack(module, version, out string) error {
	listing, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	files := strings.Split(strings.TrimRight(string(listing), "\x00"), "\x00")
	dir := filepath.Join(out, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"list":            version + "\n",
		version + ".info": fmt.Sprintf("{\"Version\":%q}\n", version),
		version + ".mod":  string(gomod),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	archive, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	w := zip.NewWriter(archive)
	for _, name := range files {
		if nested(files, name) {
			continue
		}
		if err := add(w, module+"@"+version+"/"+name, name); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return archive.Close()
}

// nested reports whether name belongs to a module below this one, which a
// module's archive leaves out.
func nested(files []string, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		for _, f := range files {
			if f == dir+"/go.mod" {
				return true
			}
		}
	}
	return false
}

func add(w *zip.Writer, as, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	entry, err := w.Create(as)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, f)
	return err
}
