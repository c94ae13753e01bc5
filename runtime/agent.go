package runtime

import (
	"context"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Agent answers messages. It is the one thing an adapter must bring.
//
// Run answers one message: it reads the turn, writes to the reply and returns.
// What it wrote is what the caller gets; nil completes the task and an error
// fails it. The text of an error is not shown to the caller, who may be
// anybody: it goes to the log, and the caller reads "the agent failed". Return
// [Public] for a text that the caller may read.
//
// Run is called once per message, from a goroutine of its own, and several
// turns may run at once. Its context ends when the caller cancels the task
// (cause [ErrCanceled]) or when the workspace shuts down and the drain deadline
// is over (cause [ErrShutdown]); it does not end because the caller hung up. A
// panic in Run fails that one task and nothing else.
//
// An agent may do more than answer; see the table of optional interfaces in
// the package documentation.
type Agent interface {
	Run(ctx context.Context, turn *Turn, reply *Reply) error
}

// AgentFunc lets an ordinary function be an [Agent].
type AgentFunc func(ctx context.Context, turn *Turn, reply *Reply) error

// Run calls f.
func (f AgentFunc) Run(ctx context.Context, turn *Turn, reply *Reply) error {
	return f(ctx, turn, reply)
}

// Describer is an optional interface of an [Agent]: who it is, for the card
// that callers and the platform read.
//
// Describe is asked by [New], which checks what it says, after set-up, and at
// every [Workspace.Announce]; it must be quick and safe for concurrent use.
type Describer interface {
	Describe() Description
}

// Description is what the agent card says. Each field left empty falls back
// to what config.yaml says, and then to its default.
type Description struct {
	Name        string   // default: config.yaml's name, "Workspace"
	Description string   // default: config.yaml's description, then the name
	Version     string   // the adapter's own version; default: config.yaml's, "1.0.0"
	Skills      []Skill  // default: none
	InputModes  []string // media types read; default: text/plain
	OutputModes []string // media types written; default: text/plain
}

// Skill is one thing the agent can do, as shown to callers.
type Skill struct {
	ID          string // required, unique within the card
	Name        string // default: the ID
	Description string
	Tags        []string
	Examples    []string // prompts that this skill answers
}

// SetUpper is an optional interface of an [Agent]: work to be done once,
// before the first message, with the configuration at hand.
//
// [Runtime.Run] calls SetUp after config and preflight and before it listens,
// so no message arrives earlier. An error ends Run with that error. SetUp may
// take its time, but until it is done nobody sees the workspace; ctx ends when
// Run's does.
type SetUpper interface {
	SetUp(ctx context.Context, ws *Workspace) error
}

// Resumer is an optional interface of an [Agent]: going on with a turn that was
// interrupted by the end of the process, be it a crash or a shutdown whose
// deadline was over.
//
// Resume is called in place of Run when the workspace starts again and has kept
// its tasks, with [Turn.Attempt] above 1. Callers have [Turn.Written] already
// and get what is written now behind it, in the same stream. It is called for
// one turn [WithMaxAttempts] minus 1 times at most. Without this interface such
// a turn fails, and its caller is told to send the message again; a turn that
// had not begun is simply begun.
type Resumer interface {
	Resume(ctx context.Context, turn *Turn, reply *Reply) error
}

// IdleTimeouter is an optional interface of an [Agent]: how long the platform
// may see nothing from a turn before it gives up on it. Zero leaves the
// platform's own figure (five minutes); seconds are what it counts in.
//
// IdleTimeout is asked after set-up and after every turn; it must be quick
// and safe for concurrent use.
type IdleTimeouter interface {
	IdleTimeout() time.Duration
}

// Capable is an optional interface of an [Agent]: what it does by itself, so
// that the platform leaves it alone.
//
// Capabilities is asked of the running agent after set-up and after every
// turn; it must be quick and safe for concurrent use.
type Capable interface {
	Capabilities() Capabilities
}

// Capabilities names what an agent does by itself; see [registry.Capabilities].
type Capabilities = registry.Capabilities

// Closer is an optional interface of an [Agent]: what to let go of at the end.
//
// Close is called once, after the last turn and the last heartbeat, and also
// when SetUp has failed. ctx ends when the drain deadline is over.
type Closer interface {
	Close(ctx context.Context) error
}
