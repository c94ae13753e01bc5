package workspaceruntime_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/molecule-ai/workspace-runtime-go"

// arrows is the module's whole import graph, as design: each package and what
// it may import from this module. A package that is missing here fails the
// test, so that a new room is a decision. "*" is for programs and tests.
var arrows = map[string][]string{
	"":                       {},
	"platformauth":           {},
	"registry":               {},
	"registry/registrytest":  {"registry"},
	"heartbeat":              {"registry"},
	"runtime/config":         {},
	"runtime/jsonrpc":        {},
	"runtime/task":           {},
	"runtime/task/filestore": {"runtime/task"},
	"runtime/task/pgstore":   {"runtime/task"},
	"runtime/task/push":      {"runtime/task"},
	"runtime/task/storetest": {"runtime/task"},
	"runtime/tool":           {"registry"},
	"runtime":                {"heartbeat", "platformauth", "registry", "runtime/config", "runtime/jsonrpc", "runtime/task", "runtime/task/filestore", "runtime/tool"},
	"runtime/mcp":            {"runtime", "runtime/tool"},
	"runtime/temporal":       {"registry", "runtime", "runtime/task"},
	"runtime/telemetry":      {"runtime"},
	"heartbeat/internal":     {"*"},
	"runtime/internal":       {"*"},
	"examples":               {"*"},
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, pkg := range goList(t, "./...") {
		from := inModule(pkg.ImportPath)
		allowed, ok := arrows[from]
		if !ok {
			allowed, ok = arrows[programRoom(from)]
		}
		if !ok {
			t.Errorf("package %q has no row in the table of arrows: add one and say in the commit why the room is needed", from)
			continue
		}
		if slices.Contains(allowed, "*") {
			continue
		}
		for _, path := range pkg.Imports {
			to := inModule(path)
			if path == to || slices.Contains(allowed, to) || strings.HasPrefix(to, from+"/internal/") {
				continue
			}
			t.Errorf("%s imports %s; it may import %v", pkg.ImportPath, path, allowed)
		}
	}
}

// programRoom names the row of programs that live in a folder of many.
func programRoom(path string) string {
	for _, room := range []string{"examples", "heartbeat/internal", "runtime/internal"} {
		if strings.HasPrefix(path, room+"/") {
			return room
		}
	}
	return path
}

// heavy is what the core must not link: each is megabytes, and whoever needs
// it imports a package of its own by name.
var heavy = map[string]string{
	"google.golang.org/grpc":             "the gRPC server and transport: 7 MB and 120 packages",
	"google.golang.org/protobuf":         "follows gRPC and the OTLP exporters in",
	"go.temporal.io":                     "the Temporal SDK: 15 MB, 35 ms of start-up",
	"go.opentelemetry.io/otel/sdk":       "the core knows only the OpenTelemetry API",
	"go.opentelemetry.io/otel/exporters": "the OTLP exporters link gRPC",
	"github.com/modelcontextprotocol":    "MCP: 2 MB, in a room of its own",
	"database/sql":                       "no SQL driver in the core",
	"modernc.org/sqlite":                 "no SQL driver in the core",
	"github.com/jackc":                   "the PostgreSQL driver: 4 MB; only runtime/task/pgstore knows it",
	"testing":                            "test code does not belong in an adapter",
}

func TestTheCoreIsLight(t *testing.T) {
	for _, pkg := range goList(t, "-deps", "./runtime", "./heartbeat", "./registry", "./platformauth") {
		for prefix, reason := range heavy {
			if pkg.ImportPath == "database/sql/driver" {
				continue // interfaces only; github.com/google/uuid names one of them
			}
			if pkg.ImportPath == prefix || strings.HasPrefix(pkg.ImportPath, prefix+"/") {
				t.Errorf("the core links %s: %s (go list -deps ./runtime, then go mod why -m)", pkg.ImportPath, reason)
			}
		}
	}
}

// TestTheCoreLinksTheseModules keeps the list of modules an adapter links in
// view: a change here is a change of every adapter's binary and licence list.
func TestTheCoreLinksTheseModules(t *testing.T) {
	want := []string{
		"github.com/a2aproject/a2a-go/v2",
		"github.com/cespare/xxhash/v2", // this and logr, stdr and auto/sdk follow the OpenTelemetry API in
		"github.com/coder/websocket",
		"github.com/fsnotify/fsnotify",
		"github.com/google/jsonschema-go",
		"github.com/google/uuid",
		"github.com/hashicorp/go-cleanhttp",
		"github.com/hashicorp/go-retryablehttp",
		"github.com/tidwall/btree",
		"go.etcd.io/bbolt",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/trace",
		"golang.org/x/sync",
		"golang.org/x/sys",
		"gopkg.in/yaml.v3",
	}
	var got []string
	for _, pkg := range goList(t, "-deps", "./runtime") {
		if pkg.Module != nil && pkg.Module.Path != module && !slices.Contains(got, pkg.Module.Path) {
			got = append(got, pkg.Module.Path)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules linked by ./runtime (-want +got):\n%s", diff)
	}
}

// listed is what the tests read of `go list -json`.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Module     *struct{ Path string }
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	args = append([]string{"list", "-json=ImportPath,Dir,GoFiles,Imports,Module"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg listed
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list printed something else than JSON: %v", err)
		}
		pkgs = append(pkgs, pkg)
	}
}

// inModule cuts the module path off; the path of another module stays whole.
func inModule(path string) string {
	if path == module {
		return ""
	}
	return strings.TrimPrefix(path, module+"/")
}
