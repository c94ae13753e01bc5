package registry

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// Event is something that happened to a workspace.
type Event struct {
	Type        string          // one of the Event constants, or another one
	WorkspaceID string          // to whom it happened
	Time        time.Time       // by the platform's clock
	Payload     json.RawMessage // a JSON object whose keys depend on the type
}

// EventConnected is the one Type that the platform does not send. It is the
// first event of each connection: what happened before it, or in the same
// moment, may have been missed, because the platform repeats nothing.
const EventConnected = "registry: connected"

// The events of the platform that a workspace or its tools may care for.
const (
	EventWorkspaceOnline   = "WORKSPACE_ONLINE"
	EventWorkspaceOffline  = "WORKSPACE_OFFLINE"
	EventWorkspaceDegraded = "WORKSPACE_DEGRADED"
	EventWorkspacePaused   = "WORKSPACE_PAUSED"
	EventWorkspaceRemoved  = "WORKSPACE_REMOVED"
	EventHeartbeat         = "WORKSPACE_HEARTBEAT"
	EventTaskUpdated       = "TASK_UPDATED"
	EventAgentCardUpdated  = "AGENT_CARD_UPDATED"
	EventAgentMessage      = "AGENT_MESSAGE"
	EventA2AResponse       = "A2A_RESPONSE"
	EventActivityLogged    = "ACTIVITY_LOGGED"

	EventWorkspaceExpanded  = "WORKSPACE_EXPANDED"  // it has got children
	EventWorkspaceCollapsed = "WORKSPACE_COLLAPSED" // it has lost them

	EventDelegationSent     = "DELEGATION_SENT" // a [DelegationEvent], as the three below
	EventDelegationStatus   = "DELEGATION_STATUS"
	EventDelegationComplete = "DELEGATION_COMPLETE"
	EventDelegationFailed   = "DELEGATION_FAILED"

	EventApprovalRequested = "APPROVAL_REQUESTED" // an [ApprovalEvent], as the three below
	EventApprovalEscalated = "APPROVAL_ESCALATED" // to the parent
	EventApprovalApproved  = "APPROVAL_APPROVED"
	EventApprovalDenied    = "APPROVAL_DENIED"
)

// DelegationEvent is the payload of the events of delegations, with what each
// of them has.
type DelegationEvent struct {
	DelegationID    string `json:"delegation_id"`
	TargetID        string `json:"target_id"`
	Status          string `json:"status"`
	TaskPreview     string `json:"task_preview"`     // at most 100 bytes
	ResponsePreview string `json:"response_preview"` // at most 200 bytes
	Error           string `json:"error"`
	Via             string `json:"via"` // "queue_drain" when it had waited
}

// ApprovalEvent is the payload of the events of approvals, with what each of
// them has. No event tells of a request that has expired.
type ApprovalEvent struct {
	ApprovalID      string         `json:"approval_id"`
	Action          string         `json:"action"`
	Reason          string         `json:"reason"`
	TaskID          string         `json:"task_id"`
	FromWorkspaceID string         `json:"from_workspace_id"` // of an escalated one
	Decision        ApprovalStatus `json:"decision"`
	DecidedBy       string         `json:"decided_by"`
}

// Events follows what happens to this workspace: GET
// /workspaces/{id}/events/stream, as server-sent events.
//
// The sequence lasts until ctx ends, the caller stops, or the platform says
// that there is nothing to follow. A connection that breaks, cannot be made, or
// shows no sign of life for two minutes (a workspace that beats has an event
// with each heartbeat) is an error in the sequence, and is made again after a
// jittered wait that grows up to 30 s, or after what Retry-After asks for. Every
// attempt carries the token of that moment; a stream that is open outlives its
// token. The sequence goes on after an error unless it is the last: the end of
// ctx, or a 4xx other than 401, 408 and 429.
//
// The platform repeats nothing, numbers nothing, and drops events for whoever
// lags more than 64 behind. So act on the events, and after each
// [EventConnected] look at what they are about.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return c.follow(ctx, call{
		op: "Events", method: http.MethodGet, path: c.own("/events/stream"), asks: reads, open: true,
	}, c.readSSE)
}

// PeerEvents follows what happens to every workspace that this one may talk to,
// itself included: GET /ws, as a WebSocket. It behaves as [Client.Events] does,
// but finds a dead connection with a ping every 30 s, and lags 256 events at
// most. [ErrForbidden] ends it: such a platform admits browsers only.
func (c *Client) PeerEvents(ctx context.Context) iter.Seq2[Event, error] {
	return c.follow(ctx, call{
		op: "PeerEvents", method: http.MethodGet, path: "/ws", asks: reads, caller: true, open: true,
	}, c.readSocket)
}
