package platformauth

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// waypoint is a name in a directory that decides where the token is: the file
// itself, a link on the way to it, or the first thing on the way that does not
// exist.
type waypoint struct {
	dir  string      // without links
	path string      // dir and name
	info fs.FileInfo // of dir, to tell it from another of that name; may be nil
}

func (a waypoint) sameDir(b waypoint) bool {
	return a.info != nil && b.info != nil && os.SameFile(a.info, b.info)
}

// maxLinks is as many as Linux follows in one path.
const maxLinks = 40

// trail walks the way to the file at path as the system does, and returns the
// names on it whose change leads to another file. Usually that is one: the
// file's own.
func trail(path string) (way []waypoint) {
	path, err := filepath.Abs(path)
	if err != nil {
		path = filepath.Clean(path) // there is no working directory; the system will say so too
	}
	dir, rest := split(path)
	links := 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		here := filepath.Join(dir, name)
		info, err := os.Lstat(here)
		link := err == nil && info.Mode()&fs.ModeSymlink != 0
		through := err == nil && info.IsDir() && len(rest) > 0
		if !through {
			inside, _ := os.Lstat(dir)
			way = append(way, waypoint{dir: dir, path: here, info: inside})
		}
		switch {
		case through:
			dir = here
		case link && links < maxLinks:
			links++
			target, err := os.Readlink(here)
			if err != nil {
				return way
			}
			if filepath.IsAbs(target) {
				var first []string
				dir, first = split(target)
				rest = append(first, rest...)
			} else {
				rest = append(strings.Split(target, string(filepath.Separator)), rest...)
			}
		default:
			return way
		}
	}
	return way
}

// split divides an absolute path into its root and the names below.
func split(path string) (root string, names []string) {
	volume := filepath.VolumeName(path)
	sep := string(filepath.Separator)
	return volume + sep, strings.Split(strings.TrimPrefix(path[len(volume):], sep), sep)
}
