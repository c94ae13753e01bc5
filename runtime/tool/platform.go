package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Platform makes the tools that the platform offers to every agent: peers,
// delegation, messages to the user, memory, approvals.
type Platform struct {
	// Client speaks for the workspace. Required.
	Client *registry.Client
	// Team is asked for peers instead of the platform, and decides whether there
	// is route_task_to_team. Default: the platform is asked, and there is none.
	Team *Team
	// Approvals keep what was asked. Default: there is no request_approval.
	Approvals *Approvals
	// Delegation says how long and how often. Default: its zero value.
	Delegation Delegation
	// Files says which files may be sent. Default: none may.
	Files Files
	// Redact changes what is to be remembered before it leaves the process.
	// Default: it stays as it is; the platform redacts with patterns of its own.
	Redact func(string) string
	// Annotate adds to the metadata of what peers are sent, such as a trace's
	// context. It must not put secrets there. Default: nothing is added.
	Annotate func(ctx context.Context, metadata map[string]any)
	// Logger is told of what is tried again. Default: nowhere.
	Logger *slog.Logger
}

// Delegation bounds the tools that hand work to peers.
type Delegation struct {
	// Timeout is how long delegate_task waits for an answer. Default: 120 s.
	Timeout time.Duration
	// Attempts is how often a task is sent that has certainly not arrived.
	// Default: 3.
	Attempts int
	// Delay is the wait after the first of them, where the platform names none;
	// it doubles. Default: 5 s.
	Delay time.Duration
}

func (d Delegation) withDefaults() Delegation {
	return Delegation{
		Timeout:  cmp.Or(max(d.Timeout, 0), 120*time.Second),
		Attempts: cmp.Or(max(d.Attempts, 0), 3),
		Delay:    cmp.Or(max(d.Delay, 0), 5*time.Second),
	}
}

// Tools makes the tools. They share the Client's connections and are safe for
// concurrent use.
func (p Platform) Tools() []*Tool {
	p.Delegation = p.Delegation.withDefaults()
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	tools := []*Tool{
		p.listPeers(), p.getWorkspaceInfo(),
		p.delegateTask(), p.delegateTaskAsync(), p.checkTaskStatus(),
		p.sendMessageToUser(), p.commitMemory(), p.recallMemory(),
	}
	if p.Approvals != nil {
		tools = append(tools, p.requestApproval())
	}
	if p.Team != nil {
		tools = append(tools, p.routeTaskToTeam())
	}
	return tools
}

// explain turns a failure of a call to the platform into words for a model.
// repeat says what became of the call when there was no answer.
func explain(err error, repeat string) error {
	var e *registry.Error
	after := ""
	if errors.As(err, &e) && e.RetryAfter > 0 {
		after = fmt.Sprintf(" in %d s", int(e.RetryAfter.Seconds()))
	}
	text := ""
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Fail(err, "there was no time left; "+repeat)
	case errors.Is(err, registry.ErrUnauthorized):
		text = "the platform does not accept this workspace's token at the moment, which the runtime is mending: try again in a minute"
	case errors.Is(err, registry.ErrBudgetExceeded):
		text = "a budget is used up: tell the user, and do not try again"
	case errors.Is(err, registry.ErrForbidden):
		text = "the platform does not allow this"
	case errors.Is(err, registry.ErrTenantMismatch):
		text = "the platform does not know this workspace's organisation: tell the user that MOLECULE_ORG_ID has to be set"
	case errors.Is(err, registry.ErrNotFound):
		text = "the platform does not know it"
	case errors.Is(err, registry.ErrTooLarge):
		text = "it is too large: send less"
	case errors.Is(err, registry.ErrRateLimited):
		text = "too many calls were made: try again" + after
	case errors.Is(err, registry.ErrBadRequest):
		text = "the platform has refused it"
	case errors.Is(err, registry.ErrUnavailable):
		text = "the platform has trouble; " + repeat + after
	case registry.FromPlatform(err):
		text = "the platform has given an answer that cannot be read; " + repeat
	default:
		return Fail(err, "the platform could not be reached; "+repeat)
	}
	if e != nil && e.Message != "" && !errors.Is(err, registry.ErrUnauthorized) {
		text += " (it says: " + oneLine(e.Message, 200) + ")"
	}
	return Fail(err, text)
}

// nothingDone is what becomes of a call that only reads.
const nothingDone = "nothing was changed, so try again"

var uuids = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// peerID checks the id of a peer and writes it as the platform does.
func (p Platform) peerID(field, id string) (string, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	if !uuids.MatchString(id) {
		remedy := "give the peer's id, a UUID, as list_peers shows it"
		if peer, ok := p.Team.named(id); ok {
			remedy = fmt.Sprintf("the id of the peer %s is %s", oneLine(peer.Name, 60), peer.ID)
		}
		return "", Bad(field, "is "+quote(id)+", which is no id", remedy)
	}
	if id == p.Client.WorkspaceID() {
		return "", Bad(field, "is this workspace itself", "do the work here, or give the id of a peer, as list_peers shows it")
	}
	return id, nil
}

// oneLine is a text of unknown origin, fit for one line, of at most n
// characters.
func oneLine(s string, n int) string {
	s = strings.ToValidUTF8(s[:min(len(s), 8*n)], "")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "..."
	}
	return s
}
