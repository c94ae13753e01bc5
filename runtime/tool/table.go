package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of a table.
const (
	DefaultTimeout  = 5 * time.Minute // of one call
	DefaultMaxInput = 1 << 20         // bytes of one input: what the platform takes of a message
)

// Table is a set of tools and the one way to call them. Make it with
// [NewTable]. It is safe for concurrent use, starts no goroutine and needs no
// closing.
type Table struct {
	tools     []*Tool
	byName    map[string]*Tool
	roles     Roles
	timeout   time.Duration
	maxInput  int
	log       *slog.Logger
	observers []Observer

	mu      sync.Mutex    // guards changed
	changed chan struct{} // closed at the next change
}

// TableOption changes what [NewTable] makes.
type TableOption interface{ apply(*Table) }

type tableOption func(*Table)

func (f tableOption) apply(t *Table) { f(t) }

// WithRoles sets what the workspace may do. Default: the zero [Roles], so that
// a tool which needs permission is refused.
func WithRoles(r Roles) TableOption { return tableOption(func(t *Table) { t.roles = r }) }

// WithDefaultTimeout bounds the calls of tools that have no timeout of their
// own. Default: [DefaultTimeout].
func WithDefaultTimeout(d time.Duration) TableOption {
	return tableOption(func(t *Table) { t.timeout = d })
}

// WithMaxInput bounds the input of a call, in bytes. Default: [DefaultMaxInput].
func WithMaxInput(n int) TableOption { return tableOption(func(t *Table) { t.maxInput = n }) }

// WithLogger sets where panics of tools are told, with their stacks. Default:
// nowhere.
func WithLogger(l *slog.Logger) TableOption {
	return tableOption(func(t *Table) {
		if l != nil {
			t.log = l
		}
	})
}

// WithObserver adds one who sees every call, those that are refused included:
// for an audit trail, a trace, a counter. Given several times, all see it, the
// first one outermost.
func WithObserver(o Observer) TableOption {
	return tableOption(func(t *Table) {
		if o != nil {
			t.observers = append(t.observers, o)
		}
	})
}

// Observer is told when a call begins and, through the function it returns,
// when it ends. The context it returns is the call's from then on, so that an
// observer can open a span; the function may be nil.
type Observer func(ctx context.Context, call Call) (context.Context, func(Outcome))

// Call is a call as observers see it.
type Call struct {
	ID     string // see [WithCallID]
	TaskID string // see [WithTask]
	Tool   string // as it was asked for; there may be none of this name
	Action string // what a role must allow; empty when nothing
	// Input is what the model has sent, unchecked and with whatever secrets it
	// holds. It must not be modified.
	Input json.RawMessage
}

// Outcome is the end of a call.
type Outcome struct {
	Result Result
	Err    error // what [Table.Call] returns: nil, or see ErrDenied and the others
	Took   time.Duration
}

// NewTable makes a table of tools. Its error names everything that is wrong
// with any of them, and names that come twice.
func NewTable(tools []*Tool, opts ...TableOption) (*Table, error) {
	t := &Table{
		byName: map[string]*Tool{}, timeout: DefaultTimeout, maxInput: DefaultMaxInput,
		log: slog.New(slog.DiscardHandler), changed: make(chan struct{}),
	}
	for _, o := range opts {
		o.apply(t)
	}
	var faults []error
	if t.timeout <= 0 || t.maxInput <= 0 {
		faults = append(faults, errors.New("tool: a timeout or a bound of the table is not positive"))
	}
	for i, tool := range tools {
		switch {
		case tool == nil:
			faults = append(faults, fmt.Errorf("tool: number %d is nil", i))
			continue
		case tool.fault != nil:
			faults = append(faults, tool.fault)
		case t.byName[tool.name] != nil:
			faults = append(faults, fmt.Errorf("tool %q is there twice: give one of them another name", tool.name))
		}
		t.byName[tool.name] = tool
		t.tools = append(t.tools, tool)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

// Tools are those that are there now, in the order of the table.
func (t *Table) Tools() []*Tool {
	return slices.DeleteFunc(slices.Clone(t.tools), func(tool *Tool) bool { return !tool.there() })
}

// Functions are the tools that are there now as chat-completion interfaces want
// them; see [Tool.Function].
func (t *Table) Functions() []json.RawMessage {
	var all []json.RawMessage
	for _, tool := range t.Tools() {
		all = append(all, tool.Function())
	}
	return all
}

// Changed is closed when [Table.Tools] may have become others, and another
// channel is returned from then on.
func (t *Table) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Change says that [Table.Tools] may have become others, because what a tool's
// [When] says has changed.
func (t *Table) Change() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
}

// Call calls a tool. The Result is always fit to be given to the model, also
// when there is an error: then IsError is set, and Text says what is wrong and
// what to do. The error is the same for a program, to be matched with
// [errors.Is]: [ErrUnknown], [ErrInput], [ErrDenied], [ErrTimeout],
// [ErrPanicked], the cause of ctx, or what the tool itself has met.
//
// In this order the input is checked, the roles are asked, and the function is
// called in this goroutine. A panic in it is an error. Call returns when the
// function does, which is soon after the end of ctx if it heeds that.
func (t *Table) Call(ctx context.Context, name string, input json.RawMessage) (Result, error) {
	began := time.Now()
	tool := t.byName[name]
	if tool != nil && !tool.there() {
		tool = nil
	}
	ctx, idErr := identified(ctx, name, string(input))
	call := Call{ID: CallID(ctx), TaskID: TaskID(ctx), Tool: name, Input: input}
	if tool != nil {
		call.Action = tool.action
	}
	var ended []func(Outcome)
	for _, observe := range t.observers {
		observed, end := observe(ctx, call)
		if observed != nil {
			ctx = observed
		}
		if end != nil {
			ended = append(ended, end)
		}
	}
	var result Result
	err := idErr
	if err == nil {
		result, err = t.call(ctx, tool, call)
	}
	if err != nil {
		result = Result{Text: name + ": " + modelText(err), IsError: true}
		err = fmt.Errorf("tool: %s: %w", name, err)
	} else if result.IsError {
		err = fmt.Errorf("tool: %s: %w", name, errors.New(result.Text))
	}
	for _, end := range slices.Backward(ended) {
		end(Outcome{result, err, time.Since(began)})
	}
	return result, err
}

// call is Call without the observers.
func (t *Table) call(ctx context.Context, tool *Tool, call Call) (Result, error) {
	if tool == nil {
		return Result{}, Fail(ErrUnknown, "there is no tool of this name: use one of "+t.list())
	}
	if len(call.Input) > t.maxInput {
		return Result{}, Bad("", fmt.Sprintf("has %d bytes", len(call.Input)), fmt.Sprintf("send at most %d", t.maxInput))
	}
	input, err := tool.in.check(call.Input)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if !t.roles.Allow(tool.action) {
		return Result{}, Fail(ErrDenied, fmt.Sprintf(
			"not allowed: the roles of this workspace (%s) do not allow %q; do without it, or tell the user that rbac in config.yaml decides this",
			t.roles, tool.action))
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, Fail(err, "the call was cancelled before it began")
	}
	limit := tool.timeout
	if limit == 0 {
		limit = t.timeout
	}
	bounded, cancel := context.WithTimeoutCause(begun(ctx), limit, ErrTimeout)
	defer cancel()
	result, err := t.guarded(bounded, tool, input)
	if err == nil {
		return result, nil
	}
	return Result{}, because(ctx, bounded, limit, err)
}

// because says of an error whether it is the end of the call's time. A tool
// that has said it in its own words is left its words.
func because(ctx, bounded context.Context, limit time.Duration, err error) error {
	cause := context.Cause(bounded)
	if cause == nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, cause) {
		return err
	}
	var own *failure
	switch said := errors.As(err, &own); {
	case said && errors.Is(err, cause):
		return err
	case said:
		return &failure{own.text, fmt.Errorf("%w: %w", cause, err)}
	case ctx.Err() == nil:
		return Fail(fmt.Errorf("%w: %w", cause, err), fmt.Sprintf("it was not done within %v; what it has begun may still happen", limit))
	}
	return Fail(fmt.Errorf("%w: %w", cause, err), "the call was cancelled; what it has begun may still happen")
}

// guarded calls the function and survives it.
func (t *Table) guarded(ctx context.Context, tool *Tool, input json.RawMessage) (result Result, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		// Also a runtime.Goexit, which recovers to nil and ends this goroutine.
		if v := recover(); v != nil {
			t.log.Error("a tool has panicked", "tool", tool.name, "call_id", CallID(ctx), "panic", v, "stack", string(debug.Stack()))
			err = Fail(ErrPanicked, "the tool has failed unexpectedly; do not call it with the same input again, and tell the user")
		}
	}()
	result, err = tool.run(ctx, input)
	returned = true
	return result, err
}

// list names the tools that are there.
func (t *Table) list() string {
	var all []string
	for _, tool := range t.Tools() {
		all = append(all, tool.name)
	}
	if len(all) == 0 {
		return "none, there are no tools"
	}
	return strings.Join(all, ", ")
}
