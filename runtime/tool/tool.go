package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// Tool is one thing an agent can do, in one description for every way of
// calling it. Make it with [New]; it is immutable and safe for concurrent use.
type Tool struct {
	name        string
	description string
	hints       Hints
	action      string
	timeout     time.Duration
	when        func() bool

	in        *input
	inputJSON json.RawMessage
	outJSON   json.RawMessage // nil when it answers with text alone
	function  json.RawMessage
	run       func(ctx context.Context, raw json.RawMessage) (Result, error)

	fault error // what is wrong with it; NewTable reports it
}

// Hints tell a client what a call may do, in the words of MCP's annotations.
// They are advice, not enforcement.
type Hints struct {
	Title       string // for people; default: the name
	ReadOnly    bool   // changes nothing
	Destructive bool   // may undo or overwrite; has no meaning when ReadOnly
	Idempotent  bool   // a second call with the same input changes nothing more
	OpenWorld   bool   // talks to somebody outside: peers, people, the net
}

// Option changes what [New] makes.
type Option interface{ apply(*Tool) }

type optionFunc func(*Tool)

func (f optionFunc) apply(t *Tool) { f(t) }

// WithHints says what a call may do. Default: the zero Hints.
func WithHints(h Hints) Option { return optionFunc(func(t *Tool) { t.hints = h }) }

// WithAction names what a role must allow before the tool may be called; see
// [Roles]. Default: none, everybody may.
func WithAction(action string) Option { return optionFunc(func(t *Tool) { t.action = action }) }

// WithTimeout bounds one call of this tool. Default: the table's.
func WithTimeout(d time.Duration) Option { return optionFunc(func(t *Tool) { t.timeout = d }) }

// When lets the tool be there only while f says so: otherwise it is not listed
// and a call of it is a call of a tool that does not exist. f must be quick and
// safe for concurrent use. Default: always.
func When(f func() bool) Option { return optionFunc(func(t *Tool) { t.when = f }) }

// OneOf lists the values a text field of the input may have.
func OneOf(field string, values ...string) Option {
	return WithSchema(func(s *jsonschema.Schema) {
		if p := s.Properties[field]; p != nil {
			p.Enum = nil
			for _, v := range values {
				p.Enum = append(p.Enum, v)
			}
		}
	})
}

// NotBlank demands that these text fields of the input, where they are given,
// hold more than blanks.
func NotBlank(fields ...string) Option {
	return WithSchema(func(s *jsonschema.Schema) {
		for _, field := range fields {
			if p := s.Properties[field]; p != nil {
				p.Pattern = notBlank
			}
		}
	})
}

// WithSchema changes the schema of the input, as it was derived, before it is
// used: bounds, lengths, patterns, examples. What it asks for is enforced; a
// keyword of JSON Schema for which that is not so is an error of [NewTable].
func WithSchema(change func(*jsonschema.Schema)) Option {
	return optionFunc(func(t *Tool) { change(t.in.schema) })
}

// names are what every model vendor accepts as the name of a function.
var names = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`)

// New makes a tool of a Go function. The schema of its input is derived from
// the struct In: a field is called what its json tag says, is required unless
// that has omitempty or omitzero, and is described to the model by its
// jsonschema tag.
//
//	type lookUp struct {
//		City string `json:"city" jsonschema:"the city, in English"`
//		Days int    `json:"days,omitempty" jsonschema:"how many days ahead, 1 to 7"`
//	}
//	weather := tool.New("weather", "Tells the weather of a city.", func(ctx context.Context, in lookUp) (forecast, error) {
//		...
//	})
//
// fn is called only with input that the schema accepts, may be called at any
// time and concurrently, and must heed ctx, which ends at the timeout and when
// the caller cancels. Its answer is turned into a [Result]: a string is the text
// itself; a struct or a map is structured content, with its schema, and its text
// is what its method ModelText says, or else its JSON; a Result stays as it is.
// Its error is shown to the model, because a model that knows what went wrong
// can do something else: see [Bad] and [Fail].
//
// The description is for a model: what the tool does, when to use it and when
// not. What is wrong with a tool is an error of [NewTable].
func New[In, Out any](name, description string, fn func(context.Context, In) (Out, error), opts ...Option) *Tool {
	t := &Tool{name: name, description: description}
	t.build(reflect.TypeFor[In](), reflect.TypeFor[Out](), fn == nil, opts)
	t.run = func(ctx context.Context, raw json.RawMessage) (Result, error) {
		var in In
		if err := json.Unmarshal(raw, &in); err != nil {
			// The schema has accepted it, so this is rare: a number that is too
			// large for its field, a type that reads itself.
			return Result{}, Bad("", "cannot be read: "+err.Error(), "follow the tool's schema")
		}
		out, err := fn(ctx, in)
		if err != nil {
			return Result{}, err
		}
		return resultOf(out)
	}
	return t
}

// build derives the schemas and finds what is wrong.
func (t *Tool) build(in, out reflect.Type, noFunction bool, opts []Option) {
	schema, err := inputSchema(in)
	t.in = &input{schema: schema}
	for _, o := range opts {
		o.apply(t)
	}
	wrong := append([]error{err}, faults("", schema)...)
	if !names.MatchString(t.name) {
		wrong = append(wrong, errors.New("its name must be 1 to 64 letters, digits, - and _, and not begin with a digit or -"))
	}
	if t.description == "" {
		wrong = append(wrong, errors.New("it has no description; say what it does and when to use it"))
	}
	if noFunction {
		wrong = append(wrong, errors.New("its function is nil"))
	}
	if t.timeout < 0 {
		wrong = append(wrong, errors.New("its timeout is negative"))
	}
	t.inputJSON, err = schemaJSON(schema)
	wrong = append(wrong, err)
	t.outJSON, err = outputSchema(out)
	wrong = append(wrong, err)
	t.function, err = json.Marshal(map[string]any{"type": "function", "function": map[string]any{
		"name": t.name, "description": t.description, "parameters": t.inputJSON,
	}})
	wrong = append(wrong, err)
	if err := errors.Join(wrong...); err != nil {
		t.fault = fmt.Errorf("tool %q: %w", t.name, err)
	}
}

// Name is what the tool is called by.
func (t *Tool) Name() string { return t.name }

// Description tells a model what the tool does and when to use it.
func (t *Tool) Description() string { return t.description }

// Hints say what a call may do.
func (t *Tool) Hints() Hints { return t.hints }

// Action is what a role must allow; empty when the tool needs no permission.
func (t *Tool) Action() string { return t.action }

// InputSchema is the JSON schema of the input, an object. It must not be
// modified.
func (t *Tool) InputSchema() json.RawMessage { return t.inputJSON }

// OutputSchema is the JSON schema of [Result.Structured], an object; nil when
// the tool answers with text alone. It must not be modified.
func (t *Tool) OutputSchema() json.RawMessage { return t.outJSON }

// Function is the tool as chat-completion interfaces want it:
//
//	{"type":"function","function":{"name":…,"description":…,"parameters":…}}
//
// It must not be modified.
func (t *Tool) Function() json.RawMessage { return t.function }

func (t *Tool) there() bool { return t.when == nil || t.when() }
