package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// MessageIDExtension is the A2A extension by which an agent's card says that a
// message whose id it has seen before gets the task it made then, and is not
// answered a second time. The runtime does so and says so. Only with such a peer
// can a message be sent again when nobody knows whether it has arrived.
const MessageIDExtension = "https://github.com/molecule-ai/workspace-runtime-go/a2a/message-id/v1"

// askAgain is the wait before a peer that has the message is asked for its
// answer.
const askAgain = 5 * time.Second

// exchange is one message to a peer and what comes of it. It is sent through
// the platform, never to the peer's own address, and again only when it has not
// arrived or when the peer knows it by its id.
type exchange struct {
	Platform
	target string
	params json.RawMessage

	asked      bool // whether the peer was asked about ids
	recognises bool // what it said
}

// run sends the message and waits until there is a reply that is final or a
// question. The reply is nil when the peer has answered with nothing.
func (x *exchange) run(ctx context.Context) (*registry.A2AReply, error) {
	Report(ctx, Progress{Message: "asking " + x.target})
	resp, err := x.send(ctx)
	if err != nil {
		return nil, err
	}
	for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
		reply, err := x.read(resp)
		if err != nil || reply == nil {
			return nil, err
		}
		if !goesOn(reply) {
			return reply, nil
		}
		// The peer works on without holding the call.
		Report(ctx, Progress{Message: "the peer works on task " + reply.TaskID})
		if err := sleep(ctx, wait); err != nil {
			return nil, x.late(err)
		}
		if resp, err = x.look(ctx, reply.TaskID, resp); err != nil {
			return nil, err
		}
	}
}

func goesOn(reply *registry.A2AReply) bool {
	return reply.Kind == "task" && reply.TaskID != "" && (reply.State == registry.TaskSubmitted || reply.State == registry.TaskWorking)
}

// read takes the reply out of an answer.
func (x *exchange) read(resp *registry.A2AResponse) (*registry.A2AReply, error) {
	switch {
	case resp.Queued != nil:
		return &registry.A2AReply{State: statusQueued}, nil
	case resp.Err != nil:
		return nil, x.failed(resp.Err, fmt.Sprintf("it refused (%d: %s)", resp.Err.Code, orNone(oneLine(resp.Err.Message, 500))))
	}
	reply, err := resp.Reply()
	if err != nil {
		return nil, x.failed(err, "its answer is neither a message nor a task")
	}
	return reply, nil
}

// look asks the peer how its task stands. What it cannot be asked now, it is
// asked later.
func (x *exchange) look(ctx context.Context, taskID string, before *registry.A2AResponse) (*registry.A2AResponse, error) {
	params, err := json.Marshal(map[string]string{"id": taskID})
	if err != nil {
		return nil, err
	}
	resp, err := x.Client.SendA2A(ctx, x.target, registry.A2ARequest{ID: uuid.NewString(), Method: "tasks/get", Params: params})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, x.late(err)
	case err != nil || resp.Queued != nil:
		return before, nil
	}
	return resp, nil
}

// send sends the message until the platform has an answer.
func (x *exchange) send(ctx context.Context) (*registry.A2AResponse, error) {
	request := registry.A2ARequest{ID: CallID(ctx), Method: "message/send", Params: x.params}
	delay := x.Delegation.Delay
	for attempt := 1; ; attempt++ {
		resp, err := x.Client.SendA2A(ctx, x.target, request)
		if err == nil && resp.Queued == nil {
			return resp, nil
		}
		if err != nil && ctx.Err() != nil {
			return nil, x.late(err)
		}
		f := fateOf(resp, err)
		if f.arrived && x.known(ctx) {
			// It is asked for its answer, as often as it takes.
			f.again, f.wait, attempt = true, max(f.wait, askAgain), 0
		}
		if !f.again || attempt >= x.Delegation.Attempts {
			return x.over(resp, err, f)
		}
		wait := f.wait
		if wait == 0 {
			wait, delay = delay, min(2*delay, time.Minute)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return x.over(resp, err, f)
		}
		x.Logger.Debug("the message is sent again", "peer", x.target, "wait", wait, "arrived", f.arrived, "error", err)
		Report(ctx, Progress{Message: fmt.Sprintf("the peer is not to be reached, trying again in %v", wait)})
		if err := sleep(ctx, wait); err != nil {
			return nil, x.late(err)
		}
	}
}

// fate is what is known of a message that was not answered.
type fate struct {
	again   bool          // it has not arrived: to send it again is safe
	arrived bool          // it has, or may have
	wait    time.Duration // before it is sent again; 0 is for the sender to choose
}

// fateOf knows from the answer, or from what went wrong, what has become of the
// message; see the table of status codes in the platform's contract.
func fateOf(resp *registry.A2AResponse, err error) fate {
	if err == nil { // queued: it will be delivered, and its answer dropped
		return fate{arrived: true}
	}
	var e *registry.Error
	if !errors.As(err, &e) {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return fate{again: true} // there was no connection to send it on
		}
		if errors.Is(err, registry.ErrUnexpectedAnswer) || errors.Is(err, registry.ErrTooLarge) {
			return fate{}
		}
		return fate{arrived: true}
	}
	switch {
	case e.Restarting:
		return fate{again: true, wait: max(e.RetryAfter, 8*time.Second)}
	case e.Waking:
		return fate{again: true, wait: max(e.RetryAfter, 15*time.Second)}
	case e.Busy:
		return fate{arrived: true, wait: e.RetryAfter}
	case e.RowStatus != "":
		return fate{} // it has no address: paused, provisioning
	case e.DeliveryConfirmed != nil:
		return fate{again: !*e.DeliveryConfirmed, arrived: *e.DeliveryConfirmed}
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusServiceUnavailable:
		return fate{again: true, wait: e.RetryAfter} // turned away, by the platform or by the peer
	case e.Status == http.StatusBadGateway:
		return fate{again: true, wait: 8 * time.Second} // no connection to the peer
	}
	return fate{}
}

// known asks, once, whether the peer tells messages by their ids.
func (x *exchange) known(ctx context.Context) bool {
	if x.asked {
		return x.recognises
	}
	peers, err := x.peers(ctx)
	if err != nil {
		return false // asked again at the next chance
	}
	x.asked = true
	for _, peer := range peers {
		if peer.ID == x.target {
			for _, ext := range readCard(peer.AgentCard).Capabilities.Extensions {
				x.recognises = x.recognises || ext.URI == MessageIDExtension
			}
		}
	}
	return x.recognises
}

// over is the end of an exchange that has no answer.
func (x *exchange) over(resp *registry.A2AResponse, err error, f fate) (*registry.A2AResponse, error) {
	if err == nil {
		return resp, nil // queued: the outcome says so
	}
	var e *registry.Error
	if !errors.As(err, &e) {
		if f.arrived {
			return nil, Fail(err, "the connection to the platform broke off: the peer may have the task and work on it. Do not hand it over again without asking the user.")
		}
		if errors.Is(err, registry.ErrUnexpectedAnswer) {
			return nil, Fail(err, "what the peer has answered cannot be read, or is longer than 10 MiB: the work may be done. Do not hand it over again; ask the peer for a shorter answer, or use another one.")
		}
		return nil, explain(err, "the task was not handed over: try again later")
	}
	after := ""
	if e.RetryAfter > 0 {
		after = fmt.Sprintf(" in %d s", int(e.RetryAfter.Seconds()))
	}
	switch {
	case e.Busy:
		return nil, Fail(err, fmt.Sprintf("the peer is busy, and it may have the task all the same. Ask it how it stands%s before handing it over again, or use another peer.", after))
	case e.Waking:
		return nil, x.failed(err, "it is hibernated and did not wake up")
	case e.Restarting:
		return nil, x.failed(err, "it is being restarted; the task has not arrived")
	case e.RowStatus != "":
		return nil, x.failed(err, "it is "+oneLine(e.RowStatus, 40)+" and cannot be reached")
	case f.arrived:
		return nil, Fail(err, "the peer had begun to answer when its answer broke off: the work may be done. Ask it how it stands before handing it over again.")
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusServiceUnavailable:
		return nil, x.failed(err, "it takes no more work now; try again"+after)
	case e.Status == http.StatusBadGateway:
		return nil, x.failed(err, "it cannot be reached; the task has not arrived")
	case errors.Is(err, registry.ErrForbidden):
		return nil, Fail(err, "the platform lets this workspace not talk to "+x.target+", or there is no such workspace: use a peer that list_peers shows")
	case errors.Is(err, registry.ErrNotFound):
		return nil, Fail(err, "there is no workspace "+x.target+": use a peer that list_peers shows")
	case errors.Is(err, registry.ErrBudgetExceeded):
		return nil, x.failed(err, "its budget is used up")
	case errors.Is(err, registry.ErrUnauthorized), errors.Is(err, registry.ErrTooLarge), errors.Is(err, registry.ErrTenantMismatch):
		return nil, explain(err, "")
	}
	return nil, x.failed(err, fmt.Sprintf("it answered %d %s", e.Status, oneLine(e.Message, 200)))
}

// late is the error for an exchange whose time is over. The platform does not
// pass on that the caller has gone: the peer works on.
func (x *exchange) late(err error) error {
	return Fail(err, "the peer "+x.target+" has not answered in time, and works on. Do not hand the task over again; for work that takes long use delegate_task_async.")
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
