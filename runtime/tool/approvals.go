package tool

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// How approvals are waited for.
const (
	// MaxApprovalTimeout is when the platform denies a request by itself, so that
	// waiting for longer is in vain.
	MaxApprovalTimeout = 10 * time.Minute

	// DefaultApprovalTimeout is how long a request waits when nobody says.
	DefaultApprovalTimeout = 5 * time.Minute

	// DefaultApprovalPoll is how often the platform is asked beside its events.
	DefaultApprovalPoll = 5 * time.Second

	approvalKept = 24 * time.Hour  // how long a decision is remembered for its own call
	lastLook     = 5 * time.Second // what the platform has to say what became of a request whose time is over
)

// ApprovalOutcome is what has become of a request.
type ApprovalOutcome string

// The ways in which a request ends.
const (
	Approved ApprovalOutcome = "approved"
	Denied   ApprovalOutcome = "denied"
	Expired  ApprovalOutcome = "expired" // nobody has decided in time: not approved
)

// Decision is the answer to a request. Anything but [Approved] is a no.
type Decision struct {
	Outcome    ApprovalOutcome `json:"outcome"`
	ApprovalID string          `json:"approval_id"`
	DecidedBy  string          `json:"decided_by,omitempty"`
}

// ApprovalRequest is what a person is asked.
type ApprovalRequest struct {
	Action  string // required, what is to be done, in a few words
	Reason  string // why
	Details any    // for the person, anything that is a JSON object; may be nil
}

// ApprovalOptions are for [NewApprovals]; the zero value is good for tests.
type ApprovalOptions struct {
	// Dir is where requests are kept, a file for each, so that a restart loses
	// none and asks nobody twice. It is made when it is needed. Default: memory.
	Dir string
	// Timeout is how long a request waits, at most [MaxApprovalTimeout], which
	// also is what more is taken for. Default: [DefaultApprovalTimeout].
	Timeout time.Duration
	// Poll is how often the platform is asked beside its events. Default:
	// [DefaultApprovalPoll].
	Poll time.Duration
	// Events are the platform's. Default: none, it is asked only.
	Events Events
	// Logger is told of what goes wrong and is tried again. Default: nowhere.
	Logger *slog.Logger
}

// Approvals ask people for leave and wait for what they say. The platform's
// events bring the answer, and asking the platform brings what the events have
// missed, both within one deadline. It decides nothing itself, although the
// platform would let it. Make it with [NewApprovals]; it is safe for concurrent
// use and does nothing until it is asked.
type Approvals struct {
	client *registry.Client
	opts   ApprovalOptions
	store  approvalStore

	mu      sync.Mutex // guards what follows
	loaded  bool
	records map[string]*approvalRecord // by call id
	busy    map[string]chan struct{}   // requests that somebody waits for, closed at the end
}

// NewApprovals makes the Approvals of client's workspace. It does no I/O.
func NewApprovals(client *registry.Client, opts ApprovalOptions) *Approvals {
	opts.Timeout = min(cmp.Or(max(opts.Timeout, 0), DefaultApprovalTimeout), MaxApprovalTimeout)
	opts.Poll = cmp.Or(max(opts.Poll, 0), DefaultApprovalPoll)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Approvals{client: client, opts: opts, store: approvalStore{opts.Dir}, records: map[string]*approvalRecord{}, busy: map[string]chan struct{}{}}
}

// Request asks a person and waits for the decision, at most for the timeout,
// counted from when the person was asked first. The error says that nobody could
// be asked or that ctx has ended; nothing is approved then.
//
// A request that is made again under the same call id ([WithCallID]) gets the
// decision there is, or goes on waiting for it. So does one of the same task
// ([WithTask]) with the same words when a restart has cut off who waited for it:
// the person is not asked twice, whenever they decide.
func (a *Approvals) Request(ctx context.Context, ask ApprovalRequest) (Decision, error) {
	if strings.TrimSpace(ask.Action) == "" {
		return Decision{}, Bad("action", "is empty", "say what is to be approved")
	}
	ctx, err := identified(ctx, "approval", ask.Action, ask.Reason)
	if err != nil {
		return Decision{}, err
	}
	details, err := json.Marshal(ask.Details)
	if err != nil {
		return Decision{}, fmt.Errorf("approval: details cannot be written as JSON: %w", err)
	}
	if string(details) == "null" {
		details = nil
	}
	for {
		record, release, err := a.claim(ctx, ask)
		if err != nil {
			return Decision{}, err
		}
		d, done, err := a.serve(ctx, record, details)
		release()
		if done || err != nil {
			return d, err
		}
	}
}

// serve gets the decision of a request that was claimed; it is not done when the
// request is of no use any more.
func (a *Approvals) serve(ctx context.Context, record *approvalRecord, details json.RawMessage) (d Decision, done bool, err error) {
	if record.CallID != CallID(ctx) && record.Outcome == "" && time.Since(record.Asked) >= a.opts.Timeout {
		if err := a.lookLate(ctx, record); err != nil {
			return Decision{}, false, err
		}
		if record.Outcome != Approved && record.Outcome != Denied {
			a.forget(record) // the call that asks now may wait for its own time
			return Decision{}, false, nil
		}
	}
	if record.Outcome != "" {
		return record.decision(), true, nil
	}
	d, err = a.wait(ctx, record, details)
	return d, true, err
}

// Open are the requests of this workspace that are waiting for a decision, as
// far as it knows, those from before a restart included.
func (a *Approvals) Open() []registry.Approval {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.load()
	var open []registry.Approval
	for _, r := range a.records {
		if r.Outcome == "" && r.ApprovalID != "" {
			open = append(open, registry.Approval{ID: r.ApprovalID, TaskID: r.TaskID, Action: r.Action, Reason: r.Reason, Status: registry.ApprovalPending, CreatedAt: r.Asked})
		}
	}
	slices.SortFunc(open, func(x, y registry.Approval) int { return x.CreatedAt.Compare(y.CreatedAt) })
	return open
}

// claim finds the record of a request, or begins one, for one waiter at a time.
func (a *Approvals) claim(ctx context.Context, ask ApprovalRequest) (*approvalRecord, func(), error) {
	call, task := CallID(ctx), TaskID(ctx)
	for {
		a.mu.Lock()
		a.load()
		record := a.records[call]
		if record != nil && (record.Action != ask.Action || record.Reason != ask.Reason) {
			a.mu.Unlock() // a leave for one deed is none for another
			return nil, nil, Bad("", "has the call id of a request for something else", "give each call its own id to WithCallID")
		}
		if record == nil {
			record = a.orphan(task, ask)
		}
		if record == nil {
			record = &approvalRecord{CallID: call, TaskID: task, Action: ask.Action, Reason: ask.Reason, Asked: time.Now().UTC()}
			a.records[call] = record
			a.save(record) // first of all: what comes now can be interrupted anywhere
		}
		other := a.busy[record.CallID]
		if other == nil {
			mine := make(chan struct{})
			a.busy[record.CallID] = mine
			a.mu.Unlock()
			return record, func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				delete(a.busy, record.CallID)
				close(mine)
			}, nil
		}
		a.mu.Unlock()
		select { // the same request is being waited for
		case <-other:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// orphan is an undecided request of the same task with the same words that
// nobody waits for any more. A decision is not reused in this way: one leave is
// for one deed. a.mu is held.
func (a *Approvals) orphan(task string, ask ApprovalRequest) *approvalRecord {
	if task == "" {
		return nil
	}
	for _, r := range a.records {
		if r.restored && r.Outcome == "" && r.TaskID == task && r.Action == ask.Action && r.Reason == ask.Reason &&
			a.busy[r.CallID] == nil {
			r.restored = false // it has a new owner, for one deed
			return r
		}
	}
	return nil
}

// wait is the life of a request: listen, ask, and then whichever comes first of
// an event, what the platform says when asked, and the deadline.
func (a *Approvals) wait(ctx context.Context, record *approvalRecord, details json.RawMessage) (Decision, error) {
	bounded, cancel := context.WithDeadline(ctx, record.Asked.Add(a.opts.Timeout))
	defer cancel()
	decided := make(chan registry.Approval, 16)
	look := make(chan struct{}, 1)
	if a.opts.Events != nil {
		var listening sync.WaitGroup
		defer listening.Wait()
		defer cancel()
		listening.Go(func() { a.listen(bounded, decided, look) })
	}
	if err := a.ask(bounded, record, details); err != nil {
		return a.end(ctx, bounded, record, err)
	}
	ticker := time.NewTicker(a.opts.Poll)
	defer ticker.Stop()
	poke(look) // what was decided before anybody listened
	for {
		select {
		case row := <-decided:
			if row.ID == record.ApprovalID {
				return a.decide(record, row), nil
			}
			continue
		case <-look:
		case <-ticker.C:
		case <-bounded.Done():
			return a.end(ctx, bounded, record, bounded.Err())
		}
		if row, err := a.client.Approval(bounded, record.ApprovalID); err != nil {
			a.opts.Logger.Debug("the platform does not say what has become of an approval", "approval_id", record.ApprovalID, "error", err)
		} else if row.Status != registry.ApprovalPending {
			return a.decide(record, *row), nil
		}
	}
}

// listen passes on decisions, and after each interruption the wish to look.
func (a *Approvals) listen(ctx context.Context, decided chan<- registry.Approval, look chan<- struct{}) {
	for event, err := range a.opts.Events(ctx) {
		if err != nil || event.Type == registry.EventConnected {
			poke(look)
			continue
		}
		row := registry.Approval{Status: registry.ApprovalApproved}
		switch {
		case event.WorkspaceID != a.client.WorkspaceID():
			continue
		case event.Type == registry.EventApprovalDenied:
			row.Status = registry.ApprovalDenied
		case event.Type != registry.EventApprovalApproved:
			continue
		}
		var payload registry.ApprovalEvent
		if json.Unmarshal(event.Payload, &payload) != nil || payload.ApprovalID == "" {
			continue
		}
		row.ID, row.DecidedBy = payload.ApprovalID, payload.DecidedBy
		select {
		case decided <- row:
		case <-ctx.Done():
			return
		}
	}
}

// ask makes the request at the platform, once. When nobody knows whether an
// earlier try has made it, the platform's list is searched for it first.
func (a *Approvals) ask(ctx context.Context, record *approvalRecord, details json.RawMessage) error {
	for uncertain := record.tried; record.ApprovalID == ""; uncertain = true {
		if uncertain {
			if err := a.adopt(ctx, record); err != nil {
				a.opts.Logger.Debug("the platform does not list approvals now", "error", err)
				if err := sleep(ctx, a.opts.Poll); err != nil {
					return err
				}
				continue
			}
			if record.ApprovalID != "" {
				return nil
			}
		}
		record.tried = true
		made, err := a.client.RequestApproval(ctx, registry.RequestApprovalRequest{
			Action: record.Action, Reason: record.Reason, TaskID: record.wireTask(), Context: details,
		})
		var said *registry.Error
		switch {
		case err == nil:
			a.change(record, func(r *approvalRecord) { r.ApprovalID = made.ID })
		case errors.As(err, &said) && said.Status < 500 && said.Status != 401 && said.Status != 429:
			a.forget(record)
			return explain(err, nothingDone)
		default:
			a.opts.Logger.Debug("the approval could not be requested", "error", err)
			if err := sleep(ctx, a.opts.Poll); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt finds the request at the platform that an earlier try has made.
func (a *Approvals) adopt(ctx context.Context, record *approvalRecord) error {
	rows, err := a.client.Approvals(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	taken := map[string]bool{}
	for _, r := range a.records {
		taken[r.ApprovalID] = true
	}
	a.mu.Unlock()
	for _, row := range rows {
		// The clocks need not agree to the minute.
		if !taken[row.ID] && row.Action == record.Action && row.Reason == record.Reason && row.TaskID == record.wireTask() &&
			row.CreatedAt.After(record.Asked.Add(-2*time.Minute)) {
			a.change(record, func(r *approvalRecord) { r.ApprovalID = row.ID })
			return nil
		}
	}
	return nil
}

// decide keeps what was decided.
func (a *Approvals) decide(record *approvalRecord, row registry.Approval) Decision {
	outcome := Denied
	switch {
	case row.Status == registry.ApprovalApproved:
		outcome = Approved
	case row.DecidedBy == registry.ApprovalAutoExpired:
		outcome = Expired
	}
	a.change(record, func(r *approvalRecord) { r.Outcome, r.DecidedBy = outcome, row.DecidedBy })
	return record.decision()
}

// end is a wait without a decision. When the time of the request is over, it has
// expired; when it is the caller that has gone, the request stays open.
func (a *Approvals) end(ctx, bounded context.Context, record *approvalRecord, err error) (Decision, error) {
	switch {
	case ctx.Err() != nil && !time.Now().After(record.Asked.Add(a.opts.Timeout)):
		a.change(record, func(r *approvalRecord) { r.restored = true })
		return Decision{}, fmt.Errorf("approval: %w", context.Cause(ctx))
	case bounded.Err() == nil:
		return Decision{}, err
	case record.ApprovalID == "":
		a.forget(record)
		return Decision{}, Fail(err, "the platform could not be reached, so nobody could be asked: do not do it, and tell the user")
	}
	// It may have been decided in time all the same, while this workspace was
	// down or the platform was away.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	if row, err := a.client.Approval(last, record.ApprovalID); err == nil && row.Status != registry.ApprovalPending {
		return a.decide(record, *row), nil
	}
	a.change(record, func(r *approvalRecord) { r.Outcome = Expired })
	return record.decision(), nil
}

// lookLate looks what has become of a request of before a restart whose time is
// over: a person may have decided while nobody was there to hear it.
func (a *Approvals) lookLate(ctx context.Context, record *approvalRecord) error {
	ctx, cancel := context.WithTimeout(ctx, a.opts.Timeout)
	defer cancel()
	for {
		err := a.lookOnce(ctx, record)
		if err == nil || errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		a.opts.Logger.Debug("the platform does not say what has become of an approval", "approval_id", record.ApprovalID, "error", err)
		if sleep(ctx, a.opts.Poll) == nil {
			continue
		}
		a.change(record, func(r *approvalRecord) { r.restored = true })
		return Fail(err, "the platform could not be reached, so nobody could be asked: do not do it, and tell the user")
	}
}

func (a *Approvals) lookOnce(ctx context.Context, record *approvalRecord) error {
	if record.ApprovalID == "" {
		if err := a.adopt(ctx, record); err != nil || record.ApprovalID == "" {
			return err
		}
	}
	row, err := a.client.Approval(ctx, record.ApprovalID)
	if err == nil && row.Status != registry.ApprovalPending {
		a.decide(record, *row)
	}
	return err
}
