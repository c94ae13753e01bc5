package workspaceruntime_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Package runtime shares its name with Go's own. That is bearable as long as
// no name means two things (goimports and readers would pick the wrong one)
// and the other one is always imported under another name.

func TestRuntimeExportsNoNameOfGosRuntime(t *testing.T) {
	std := exported(t, "runtime")
	if !std["NumGoroutine"] || !std["Error"] {
		t.Fatal("Go's runtime package was not read: NumGoroutine and Error are missing in it")
	}
	ours := exported(t, "./runtime")
	if !ours["Agent"] {
		t.Fatal("package runtime was not read: Agent is missing in it")
	}
	for name := range ours {
		if std[name] {
			t.Errorf("package runtime exports %s, and so does Go's runtime: choose another name", name)
		}
	}
}

func TestGosRuntimeIsImportedAsGoruntime(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == `"runtime"` && (spec.Name == nil || spec.Name.Name != "goruntime") {
				t.Errorf(`%s: write goruntime "runtime", so that nobody takes it for this module's runtime`, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// exported returns the exported package-level names of a package.
func exported(t *testing.T, pattern string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pkg := range goList(t, pattern) {
		for _, name := range pkg.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				for _, ident := range declared(decl) {
					if ident.IsExported() {
						names[ident.Name] = true
					}
				}
			}
		}
	}
	return names
}

// declared returns the package-level names of one declaration; a method is
// none.
func declared(decl ast.Decl) []*ast.Ident {
	if fn, ok := decl.(*ast.FuncDecl); ok {
		if fn.Recv != nil {
			return nil
		}
		return []*ast.Ident{fn.Name}
	}
	var idents []*ast.Ident
	for _, spec := range decl.(*ast.GenDecl).Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			idents = append(idents, spec.Name)
		case *ast.ValueSpec:
			idents = append(idents, spec.Names...)
		}
	}
	return idents
}
