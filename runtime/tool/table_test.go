package tool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

type greeting struct {
	Name  string   `json:"name" jsonschema:"whom to greet"`
	Times int      `json:"times,omitempty" jsonschema:"how often"`
	Style string   `json:"style,omitempty" jsonschema:"how"`
	Marks []string `json:"marks,omitempty" jsonschema:"what to end with"`
}

type greeted struct {
	Text string `json:"text"`
}

func (g *greeted) ModelText() string { return g.Text }

func greeter(opts ...tool.Option) *tool.Tool {
	return tool.New("greet", "Greets somebody.", func(_ context.Context, in greeting) (*greeted, error) {
		return &greeted{strings.Repeat("Hello "+in.Name+". ", max(1, in.Times))}, nil
	}, append([]tool.Option{tool.NotBlank("name"), tool.OneOf("style", "plain", "warm")}, opts...)...)
}

func mustTable(t *testing.T, tools []*tool.Tool, opts ...tool.TableOption) *tool.Table {
	t.Helper()
	table, err := tool.NewTable(tools, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestACallAnswersWithTextAndStructure(t *testing.T) {
	table := mustTable(t, []*tool.Tool{greeter()})
	result, err := table.Call(t.Context(), "greet", json.RawMessage(`{"name":"Ada","times":2,"style":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := tool.Result{Text: "Hello Ada. Hello Ada. ", Structured: json.RawMessage(`{"text":"Hello Ada. Hello Ada. "}`)}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
}

// Models read schemas literally, so each byte of one counts.
func TestSchemas(t *testing.T) {
	greet := greeter()
	const input = `{"type":"object","properties":{` +
		`"name":{"type":"string","description":"whom to greet","pattern":"\\S"},` +
		`"times":{"type":"integer","description":"how often"},` +
		`"style":{"type":"string","description":"how","enum":["plain","warm"]},` +
		`"marks":{"type":"array","items":{"type":"string"},"description":"what to end with"}},` +
		`"required":["name"],"additionalProperties":false}`
	if diff := cmp.Diff(input, string(greet.InputSchema())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(`{"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false}`, string(greet.OutputSchema())); diff != "" {
		t.Error(diff)
	}
	const function = `{"function":{"description":"Greets somebody.","name":"greet","parameters":` + input + `},"type":"function"}`
	if diff := cmp.Diff(function, string(greet.Function())); diff != "" {
		t.Error(diff)
	}
	empty := tool.New("now", "Tells the time.", func(context.Context, struct{}) (string, error) { return "noon", nil })
	if got, want := string(empty.InputSchema()), `{"additionalProperties":false,"properties":{},"type":"object"}`; got != want {
		t.Errorf("the schema of no input is %s, want %s", got, want)
	}
	if empty.OutputSchema() != nil {
		t.Errorf("a text has the schema %s", empty.OutputSchema())
	}
}

func TestNewTableNamesEverythingThatIsWrong(t *testing.T) {
	_, err := tool.NewTable([]*tool.Tool{
		nil,
		greeter(),
		greeter(),
		tool.New("two words", "", func(context.Context, struct{}) (string, error) { return "", nil }),
		tool.New[struct{}, string]("nothing", "Does nothing.", nil),
		tool.New("scalar", "Takes a text.", func(context.Context, string) (string, error) { return "", nil }),
		tool.New("channel", "Takes a channel.", func(context.Context, struct{ C chan int }) (string, error) { return "", nil }),
		tool.New("pattern", "Has a bad pattern.", func(context.Context, greeting) (string, error) { return "", nil },
			tool.WithSchema(func(s *jsonschema.Schema) { s.Properties["name"].Pattern = "(" })),
		tool.New("keyword", "Asks for more.", func(context.Context, greeting) (string, error) { return "", nil },
			tool.WithSchema(func(s *jsonschema.Schema) { s.Properties["times"].MultipleOf = jsonschema.Ptr(2.0) })),
	})
	if err == nil {
		t.Fatal("a table was made")
	}
	for _, want := range []string{
		"number 0 is nil", `"greet" is there twice`, `"two words": its name must be`, "it has no description",
		`"nothing": its function is nil`, `"scalar": its input string is no object`, `"channel": its input`, `"pattern": its schema of name has a pattern that is wrong`,
		`"keyword": its schema of times has "multipleOf", which is not enforced here`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
}

func TestAToolThatDoesNotExist(t *testing.T) {
	there := false
	table := mustTable(t, []*tool.Tool{greeter(), tool.New("hidden", "Hides.", func(context.Context, struct{}) (string, error) { return "", nil },
		tool.When(func() bool { return there }))})
	for _, name := range []string{"grete", "hidden", ""} {
		result, err := table.Call(t.Context(), name, nil)
		if !errors.Is(err, tool.ErrUnknown) || !result.IsError || !strings.Contains(result.Text, "use one of greet") {
			t.Errorf("%q: %+v, %v", name, result, err)
		}
	}
	changed := table.Changed()
	there = true
	table.Change()
	<-changed
	if _, err := table.Call(t.Context(), "hidden", nil); err != nil {
		t.Error(err)
	}
	if n := len(table.Functions()); n != 2 {
		t.Errorf("%d functions, want 2", n)
	}
}

func TestRolesFailClosed(t *testing.T) {
	called := false
	guarded := tool.New("guarded", "Needs permission.", func(context.Context, struct{}) (string, error) {
		called = true
		return "done", nil
	}, tool.WithAction(tool.ActionDelegate))
	for _, c := range []struct {
		name  string
		opts  []tool.TableOption
		allow bool
	}{
		{"no roles given", nil, false},
		{"an empty list", []tool.TableOption{tool.WithRoles(tool.NewRoles(nil, nil))}, false},
		{"an unknown role", []tool.TableOption{tool.WithRoles(tool.NewRoles([]string{"operater"}, nil))}, false},
		{"operator", []tool.TableOption{tool.WithRoles(tool.NewRoles([]string{"operator"}, nil))}, true},
	} {
		called = false
		result, err := mustTable(t, []*tool.Tool{guarded}, c.opts...).Call(t.Context(), "guarded", nil)
		if called != c.allow || (err == nil) != c.allow {
			t.Errorf("%s: called %v, %v", c.name, called, err)
		}
		if !c.allow && (!errors.Is(err, tool.ErrDenied) || !result.IsError || !strings.Contains(result.Text, `"delegate"`)) {
			t.Errorf("%s: %+v, %v", c.name, result, err)
		}
	}
}

// The vectors were computed by the Python package; its admin, too, is above a
// list that config.yaml defines for it.
func TestRoleVectors(t *testing.T) {
	for _, c := range []struct {
		roles   []string
		defined map[string][]string
		action  string
		allow   bool
	}{
		{[]string{"read-only"}, nil, "delegate", false},
		{[]string{"read-only"}, nil, "memory.read", true},
		{[]string{"memory-readonly"}, nil, "memory.write", false},
		{[]string{"no-delegation"}, nil, "delegate", false},
		{[]string{"no-delegation"}, nil, "approve", true},
		{[]string{"no-approval"}, nil, "approve", false},
		{[]string{"no-approval"}, nil, "delegate", true},
		{[]string{"admin"}, nil, "anything", true},
		{[]string{"admin"}, map[string][]string{"admin": {}}, "anything", true},
		{[]string{"operator"}, map[string][]string{"operator": {"memory.read"}}, "delegate", false},
		{[]string{"operator"}, map[string][]string{"operator": {"memory.read"}}, "memory.read", true},
		{[]string{"dev", "operator"}, map[string][]string{"dev": {"deploy"}}, "deploy", true},
		{[]string{"dev", "operator"}, map[string][]string{"dev": {"deploy"}}, "delegate", true},
		{[]string{"unknown"}, nil, "memory.read", false},
	} {
		if got := tool.NewRoles(c.roles, c.defined).Allow(c.action); got != c.allow {
			t.Errorf("%v with %v, %s: %v, want %v", c.roles, c.defined, c.action, got, c.allow)
		}
	}
}

func TestAPanicIsOneCallsFailure(t *testing.T) {
	var log bytes.Buffer
	table := mustTable(t, []*tool.Tool{
		tool.New("bomb", "Explodes.", func(context.Context, struct{}) (string, error) { panic("boom: " + strings.Repeat("x", 3)) }),
		greeter(),
	}, tool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	result, err := table.Call(t.Context(), "bomb", nil)
	if !errors.Is(err, tool.ErrPanicked) || !result.IsError || strings.Contains(result.Text, "boom") {
		t.Errorf("%+v, %v", result, err)
	}
	if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), "table_test.go") {
		t.Errorf("the log does not have the panic and its place: %s", log.String())
	}
	if _, err := table.Call(t.Context(), "greet", json.RawMessage(`{"name":"Ada"}`)); err != nil {
		t.Error(err)
	}
}

func TestTimeoutAndCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context, _ struct{}) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		table := mustTable(t, []*tool.Tool{
			tool.New("slow", "Waits.", wait, tool.WithTimeout(time.Second)),
			tool.New("slower", "Waits.", wait),
			tool.New("worded", "Waits.", func(ctx context.Context, _ struct{}) (string, error) {
				<-ctx.Done()
				return "", tool.Fail(ctx.Err(), "the peer goes on without us")
			}, tool.WithTimeout(time.Second)),
		}, tool.WithDefaultTimeout(time.Hour))
		began := time.Now()
		result, err := table.Call(t.Context(), "slow", nil)
		if !errors.Is(err, tool.ErrTimeout) || time.Since(began) != time.Second || !strings.Contains(result.Text, "within 1s") {
			t.Errorf("after %v: %+v, %v", time.Since(began), result, err)
		}
		result, err = table.Call(t.Context(), "worded", nil)
		if !errors.Is(err, tool.ErrTimeout) || result.Text != "worded: the peer goes on without us" {
			t.Errorf("%+v, %v", result, err)
		}
		cause := errors.New("the user has changed their mind")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		result, err = table.Call(ctx, "slower", nil)
		if !errors.Is(err, cause) || errors.Is(err, tool.ErrTimeout) || !strings.Contains(result.Text, "cancelled") {
			t.Errorf("%+v, %v", result, err)
		}
		if _, err = table.Call(ctx, "slower", nil); !errors.Is(err, cause) {
			t.Errorf("a call that was cancelled before it began: %v", err)
		}
	})
}

func TestObserversSeeEveryCall(t *testing.T) {
	var seen []string
	type key struct{}
	observe := func(name string) tool.TableOption {
		return tool.WithObserver(func(ctx context.Context, call tool.Call) (context.Context, func(tool.Outcome)) {
			seen = append(seen, name+" begins "+call.Tool+" "+call.Action+" "+call.ID+" "+call.TaskID)
			return context.WithValue(ctx, key{}, name), func(o tool.Outcome) {
				kind := "ok"
				switch {
				case errors.Is(o.Err, tool.ErrDenied):
					kind = "denied"
				case o.Err != nil:
					kind = "failed"
				}
				seen = append(seen, name+" ends "+kind)
			}
		})
	}
	table := mustTable(t, []*tool.Tool{
		tool.New("free", "Is free.", func(ctx context.Context, _ struct{}) (string, error) {
			seen = append(seen, "inside "+ctx.Value(key{}).(string)+" "+tool.CallID(ctx)+" "+tool.TaskID(ctx))
			tool.Report(ctx, tool.Progress{Message: "half", Done: 1, Total: 2})
			return "", nil
		}),
		tool.New("shut", "Is shut.", func(context.Context, struct{}) (string, error) { return "", nil }, tool.WithAction("delegate")),
	}, observe("a"), observe("b"))
	ctx := tool.WithTask(tool.WithCallID(t.Context(), "id1"), "task1")
	ctx = tool.WithProgress(ctx, func(p tool.Progress) { seen = append(seen, "progress "+p.Message) })
	result, err := table.Call(ctx, "free", nil)
	if err != nil || result.Text == "" {
		t.Errorf("%+v, %v", result, err)
	}
	_, _ = table.Call(ctx, "shut", nil)
	_, _ = table.Call(ctx, "none", nil)
	want := []string{
		"a begins free  id1 task1", "b begins free  id1 task1", "inside b id1 task1", "progress half", "b ends ok", "a ends ok",
		"a begins shut delegate id1 task1", "b begins shut delegate id1 task1", "b ends denied", "a ends denied",
		"a begins none  id1 task1", "b begins none  id1 task1", "b ends failed", "a ends failed",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestACallHasAnIdentity(t *testing.T) {
	var ids sync.Map
	table := mustTable(t, []*tool.Tool{tool.New("id", "Tells its id.", func(ctx context.Context, _ struct{}) (string, error) {
		return tool.CallID(ctx), nil
	})})
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			result, err := table.Call(t.Context(), "id", nil)
			if _, twice := ids.LoadOrStore(result.Text, true); twice || err != nil {
				t.Errorf("the id %s was given twice, or %v", result.Text, err)
			}
		})
	}
	calls.Wait()
	for _, bad := range []string{"a\nb", "ü", strings.Repeat("x", 201)} {
		if _, err := table.Call(tool.WithCallID(t.Context(), bad), "id", nil); !errors.Is(err, tool.ErrInput) {
			t.Errorf("the id %q: %v", bad, err)
		}
	}
}

// A tool that calls tools makes other calls each time, and the same ones when it
// is called again under its own id.
func TestACallInACallIsAnother(t *testing.T) {
	var table *tool.Table
	var ids []string
	table = mustTable(t, []*tool.Tool{
		tool.New("inner", "Tells its id.", func(ctx context.Context, _ struct{ N int }) (string, error) {
			ids = append(ids, tool.CallID(ctx))
			return "", nil
		}),
		tool.New("outer", "Calls.", func(ctx context.Context, _ struct{}) (string, error) {
			ids = append(ids, tool.CallID(ctx))
			for _, input := range []string{`{"N":1}`, `{"N":1}`, `{"N":2}`} {
				if _, err := table.Call(ctx, "inner", json.RawMessage(input)); err != nil {
					return "", err
				}
			}
			return "", nil
		}),
	})
	for _, id := range []string{"call-1", strings.Repeat("x", 200)} {
		ids = nil
		ctx := tool.WithCallID(t.Context(), id)
		for range 2 {
			if _, err := table.Call(ctx, "outer", nil); err != nil {
				t.Fatal(err)
			}
		}
		different := map[string]bool{}
		for _, got := range ids {
			different[got] = true
			if len(got) > 200 {
				t.Errorf("the id %s is too long", got)
			}
		}
		if len(ids) != 8 || ids[0] != id || len(different) != 4 || !slices.Equal(ids[:4], ids[4:]) {
			t.Errorf("the ids are %q", ids)
		}
	}
}

func TestWhatAToolAnswers(t *testing.T) {
	table := mustTable(t, []*tool.Tool{
		tool.New("empty", "Says nothing.", func(context.Context, struct{}) (string, error) { return "", nil }),
		tool.New("list", "Lists.", func(context.Context, struct{}) ([]int, error) { return []int{1, 2}, nil }),
		tool.New("map", "Maps.", func(context.Context, struct{}) (map[string]int, error) { return map[string]int{"a": 1}, nil }),
		tool.New("nil", "Is nil.", func(context.Context, struct{}) (*greeted, error) { return nil, nil }),
		tool.New("result", "Fails by itself.", func(context.Context, struct{}) (tool.Result, error) {
			return tool.Result{Text: "no", IsError: true}, nil
		}),
		tool.New("error", "Fails.", func(context.Context, struct{}) (string, error) { return "", errors.New("the disk is full") }),
		tool.New("nan", "Cannot be written.", func(context.Context, struct{}) (map[string]any, error) {
			return map[string]any{"f": func() {}}, nil
		}),
	})
	for name, want := range map[string]tool.Result{
		"empty":  {Text: "done"},
		"list":   {Text: "[1,2]"},
		"map":    {Text: `{"a":1}`, Structured: json.RawMessage(`{"a":1}`)},
		"nil":    {Text: "done"},
		"result": {Text: "no", IsError: true},
		"error":  {Text: "error: the disk is full", IsError: true},
		"nan":    {Text: "nan: the answer cannot be written as JSON: json: unsupported type: func()", IsError: true},
	} {
		got, err := table.Call(t.Context(), name, json.RawMessage(" null "))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if (err != nil) != want.IsError {
			t.Errorf("%s: %v", name, err)
		}
	}
}
