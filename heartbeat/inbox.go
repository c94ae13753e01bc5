package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Defaults of [InboxConfig].
const (
	DefaultInboxInterval = 30 * time.Second
	DefaultInboxAttempts = 8
)

// ErrNotTaken is what [InboxConfig].Deliver returns, wrapped or as it is, when
// the turn was not begun: the agent is busy or shutting down. The same delivery
// is made again, with the same message id, until it is taken; it does not count
// as an attempt.
var ErrNotTaken = errors.New("heartbeat: the delivery was not taken")

// Result is how a delegation of this workspace has ended.
type Result struct {
	DelegationID string `json:"delegation_id"`
	TargetID     string `json:"target_id,omitempty"` // the workspace that did the work; the platform may not say
	Status       string `json:"status"`              // [registry.DelegationCompleted] or [registry.DelegationFailed]
	Summary      string `json:"summary,omitempty"`   // the platform's words
	Response     string `json:"response,omitempty"`  // the beginning of the answer: the platform shows 300 bytes
	Error        string `json:"error,omitempty"`     // of a failed one
}

// Delivery is a [Result] on its way to the agent.
type Delivery struct {
	Result Result
	// MessageID is a UUID made of the workspace's and the delegation's ids. It
	// stays the same for as long as nobody knows how the turn ended, whatever
	// restarts lie between, so that who remembers message ids runs it once. Once
	// a turn is known to have failed the next one has another id.
	MessageID string
	Attempt   int // from 1
}

// InboxConfig configures [NewInbox]. It is copied.
type InboxConfig struct {
	// Client asks the platform, over an authenticating transport. Required.
	Client *registry.Client
	// Path is the file that holds what was delivered. Its directory is made when
	// it is missing. One Inbox has it at a time. Empty: memory, and then each
	// start is a first boot.
	Path string
	// Deliver runs the turn that a result wakes the agent for and returns nil
	// when it has succeeded. It is called for one result at a time, may take as
	// long as the turn does and must return soon after ctx has ended. An error
	// means a turn that ran and failed; [ErrNotTaken] one that did not begin; any
	// error after the end of ctx that nothing is known. A panic is an error.
	// Required.
	Deliver func(ctx context.Context, d Delivery) error
	// Ready is closed once the platform can be asked; what is in the file is
	// delivered before that too. Close it when the workspace has a token that was
	// accepted: the 401 of a workspace that has none yet looks like that of a dead
	// token to the [Loop] on the same transport. Nil: at once.
	Ready <-chan struct{}
	// Quiet leaves the workspace's user unnotified.
	Quiet bool
	// Interval is the time between two looks at the list, a tenth more or less.
	// Each call of a look may take a third of it, at most 10 s. Zero: [DefaultInboxInterval].
	Interval time.Duration
	// Attempts is how many turns a result is worth before it is given up. Zero:
	// [DefaultInboxAttempts].
	Attempts int
	// Logger gets what an operator wants to know. Nil: nothing is logged.
	Logger *slog.Logger
}

// InboxStatus is a snapshot of an [Inbox].
type InboxStatus struct {
	Durable    bool      // there is a file
	Baseline   bool      // the first look has succeeded, now or in an earlier life
	LastLook   time.Time // when the list was last read; zero when it never was in this life
	Failures   int       // looks that failed since then
	LastError  error     // of the newest look, nil when it succeeded
	Waiting    int       // results that the agent has not had yet
	Unnotified int       // notifications that the user has not had yet
	GivenUp    int       // results given up in this life
	Unsaved    bool      // the newest change is not in the file yet
	Moved      string    // where a damaged file was moved to when this Inbox was made, "" when there was none
}

// Inbox watches what this workspace has delegated and delivers each result to
// the agent exactly once, across restarts and crashes. See the package comment.
//
// Make one with [NewInbox]. [Inbox.Run] is its life; the other methods may be
// called from any goroutine.
type Inbox struct {
	cfg     InboxConfig
	own     string
	log     *slog.Logger
	random  func() float64
	save    func(inboxState) error // replaced by tests that crash in it
	running atomic.Bool

	look chan struct{} // 1 slot: look now
	hand chan struct{} // 1 slot: something may have to be delivered
	tell chan struct{} // 1 slot: there is something to tell the user

	mu     sync.Mutex // guards what follows
	state  inboxState
	status InboxStatus

	nudges    nudges               // these belong to the goroutine that looks
	unsettled map[string]time.Time // completed without a result row, since when
	open      map[string]bool      // delegations whose end is still to be seen
	deep      time.Time            // when all was read that the platform shows
	foreign   map[string]bool      // rows of others that were warned of
}

// NewInbox checks the configuration and reads the file. A damaged file, or that
// of another workspace, is moved aside, which the log and [InboxStatus] say, and
// the next look is a first one again: nothing is delivered twice because of it.
// A file of a later version is left alone and an error, and so is a place that
// cannot be written to.
func NewInbox(cfg InboxConfig) (*Inbox, error) {
	var faults []error
	if cfg.Client == nil {
		faults = append(faults, errors.New("heartbeat: InboxConfig.Client is missing: make one with registry.NewClient"))
	}
	if cfg.Deliver == nil {
		faults = append(faults, errors.New("heartbeat: InboxConfig.Deliver is missing: give a function that runs the agent's turn"))
	}
	if cfg.Interval < 0 || cfg.Attempts < 0 {
		faults = append(faults, fmt.Errorf("heartbeat: InboxConfig: Interval %v, Attempts %d: leave them zero for the defaults, %v and %d",
			cfg.Interval, cfg.Attempts, DefaultInboxInterval, DefaultInboxAttempts))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInboxInterval
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = DefaultInboxAttempts
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Inbox{
		cfg: cfg, own: cfg.Client.WorkspaceID(), random: rand.Float64,
		log:  cfg.Logger.With(slog.String("workspace_id", cfg.Client.WorkspaceID())),
		look: make(chan struct{}, 1), hand: make(chan struct{}, 1), tell: make(chan struct{}, 1),
		unsettled: map[string]time.Time{}, foreign: map[string]bool{},
	}
	b.state.Workspace = b.own
	b.save = func(inboxState) error { return nil }
	if cfg.Path != "" {
		if err := b.load(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Run looks, delivers and notifies until ctx ends, and returns nil then; nothing
// else ends it. All goroutines it starts have ended when it returns. A second
// Run at the same time returns an error at once.
func (b *Inbox) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("heartbeat: this Inbox is running already; make one Inbox for each workspace")
	}
	defer b.running.Store(false)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { b.looks(ctx) })
	group.Go(func() { b.hands(ctx) })
	group.Go(func() { b.tells(ctx) })
	return nil
}

// Poke asks for a look now, for those who have heard that a delegation ended or
// that the platform is back. It does not wait; wishes are coalesced, five in a
// row are granted at once and then one per second.
func (b *Inbox) Poke() { poke(b.look) }

// Dismiss says that the agent has these results already, for who waits for a
// delegation in some other way: they are not delivered. It returns once that is
// in the file. A result whose delivery is under way is delivered all the same.
func (b *Inbox) Dismiss(ctx context.Context, delegationIDs ...string) error {
	b.mu.Lock()
	for _, id := range delegationIDs {
		if i := b.state.waiting(id); i >= 0 && !b.state.Waiting[i].out {
			b.state.finish(i)
			b.state.dropNotice(id)
		} else if i < 0 {
			b.state.Done.add(id, time.Time{})
		}
	}
	b.state.trim()
	err := b.write()
	b.mu.Unlock()
	if err == nil {
		return nil
	}
	return b.persist(ctx)
}

// Status returns a snapshot. It waits for nothing but a write of the file.
func (b *Inbox) Status() InboxStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Durable, s.Baseline = b.cfg.Path != "", b.state.Based
	s.Waiting, s.Unnotified = len(b.state.Waiting), len(b.state.Notices)
	return s
}

// change changes the state and returns when it is in the file; see persist.
func (b *Inbox) change(ctx context.Context, f func(*inboxState)) error {
	b.mu.Lock()
	f(&b.state)
	err := b.write()
	b.mu.Unlock()
	if err == nil {
		return nil
	}
	return b.persist(ctx)
}

// persist tries to write the file until it can or ctx ends: what the file does
// not know must not happen.
func (b *Inbox) persist(ctx context.Context) error {
	pace := backoff{base: 500 * time.Millisecond, limit: b.cfg.Interval}
	var out outage
	for {
		b.mu.Lock()
		err := b.write()
		b.mu.Unlock()
		if err == nil {
			return nil
		}
		now := time.Now()
		out.fail(now)
		out.log(b.log, "the file of delivered results cannot be written, nothing is delivered meanwhile",
			"make "+b.cfg.Path+" and its directory writable and see that the disk is not full", slog.Any("error", err))
		if !rest(ctx, pace.wait(now, unavailable, b.random()), nil) {
			return fmt.Errorf("heartbeat: the inbox could not be written before the end: %w", err)
		}
	}
}

// write puts the state into the file; b.mu is held.
func (b *Inbox) write() error {
	err := b.save(b.state)
	b.status.Unsaved = err != nil
	return err
}

// rest waits for d or a wake-up and reports whether ctx still lives.
func rest(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return ctx.Err() == nil
}

// messageID is the id of the message that brings a result, after so many turns
// that have failed.
func messageID(workspace, delegation string, failed int) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "delegation-result:%s:%s:%d", workspace, delegation, failed)).String()
}
