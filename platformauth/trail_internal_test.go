package platformauth

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrail(t *testing.T) {
	for _, c := range []struct {
		name  string
		dirs  []string
		links [][2]string // target, name
		path  string
		want  []string
	}{
		{name: "a file", dirs: []string{"configs"}, path: "configs/token", want: []string{"configs/token"}},
		{name: "no directory", path: "a/b/token", want: []string{"a"}},
		{name: "half the directories", dirs: []string{"a"}, path: "a/b/token", want: []string{"a/b"}},
		{
			name: "a Kubernetes volume", dirs: []string{"v/..2026"},
			links: [][2]string{{"..2026", "v/..data"}, {"..data/token", "v/token"}},
			path:  "v/token", want: []string{"v/token", "v/..data", "v/..2026/token"},
		},
		{
			name: "a link that leads nowhere", dirs: []string{"a"}, links: [][2]string{{"gone/token", "a/token"}},
			path: "a/token", want: []string{"a/token", "a/gone"},
		},
		{
			name: "a directory behind a link", dirs: []string{"real"}, links: [][2]string{{"real", "configs"}},
			path: "configs/token", want: []string{"configs", "real/token"},
		},
		{
			name: "a link with dots", dirs: []string{"a", "b"}, links: [][2]string{{".././b//token", "a/token"}},
			path: "a/token", want: []string{"a/token", "b/token"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			top, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range c.dirs {
				if err := os.MkdirAll(filepath.Join(top, d), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, l := range c.links {
				if err := os.Symlink(l[0], filepath.Join(top, l[1])); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, at := range trail(filepath.Join(top, c.path)) {
				rel, err := filepath.Rel(top, at.path)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, filepath.ToSlash(rel))
				if at.dir != filepath.Dir(at.path) || at.info == nil {
					t.Errorf("waypoint %+v", at)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("way mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTrailOfLinksInACircle(t *testing.T) {
	dir := t.TempDir()
	for _, l := range [][2]string{{"b", "a"}, {"a", "b"}} {
		if err := os.Symlink(l[0], filepath.Join(dir, l[1])); err != nil {
			t.Fatal(err)
		}
	}
	if got := trail(filepath.Join(dir, "a")); len(got) > maxLinks+2 {
		t.Errorf("%d waypoints", len(got))
	}
	if _, err := NewStore(filepath.Join(dir, "a")).Token(); err == nil {
		t.Error("a token was found in a circle")
	}
}

func TestTrailOfAFileWhereTheDirectoryShouldBe(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "configs"), "")
	way := trail(filepath.Join(dir, "configs", "token"))
	if len(way) != 1 || filepath.Base(way[0].path) != "configs" {
		t.Errorf("way = %+v, want the file in the way", way)
	}
}
