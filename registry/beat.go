package registry

import (
	"context"
	"net/http"
	"strings"
)

// HeartbeatRequest is the whole state of a workspace. The platform overwrites
// every field with every heartbeat, so all of them are always sent; without
// RuntimeMetadata it forgets the capabilities and the idle timeout.
//
// Numbers must fit 32 bits and texts hold no NUL, or the platform answers 500.
type HeartbeatRequest struct {
	WorkspaceID   string  `json:"workspace_id"`   // filled in by [Client.Heartbeat] when empty
	ErrorRate     float64 `json:"error_rate"`     // 0 to 1; from 0.5 on the workspace is degraded, below 0.1 it recovers
	SampleError   string  `json:"sample_error"`   // shown to operators
	ActiveTasks   int     `json:"active_tasks"`   // running now
	CurrentTask   string  `json:"current_task"`   // a label for people
	UptimeSeconds int     `json:"uptime_seconds"` // of the process
	MonthlySpend  int64   `json:"monthly_spend"`  // US cents this month so far; 0 leaves the stored value
	RuntimeState  string  `json:"runtime_state"`  // "wedged" or ""; anything else blocks recovery

	RuntimeMetadata *RuntimeMetadata `json:"runtime_metadata,omitempty"`
}

// RuntimeWedged is the one RuntimeState the platform knows.
const RuntimeWedged = "wedged"

// RuntimeMetadata is what the adapter can do by itself.
type RuntimeMetadata struct {
	Capabilities Capabilities `json:"capabilities"`
	// IdleTimeoutSeconds is how long a message under way may show no sign of
	// life before the platform gives up; 0 leaves the platform's 300 s.
	IdleTimeoutSeconds int `json:"idle_timeout_seconds,omitempty"`
}

// Capabilities names what the adapter does itself, so that the platform leaves
// it alone. Scheduler, Session and StatusMgmt have an effect there: no cron, a
// 503 instead of a queue while busy, no judgement by error rate. They count
// from the heartbeat after the one that brought them.
type Capabilities struct {
	Heartbeat          bool `json:"heartbeat"`
	Scheduler          bool `json:"scheduler"`
	Session            bool `json:"session"`
	StatusMgmt         bool `json:"status_mgmt"`
	Retry              bool `json:"retry"`
	ActivityDecoration bool `json:"activity_decoration"`
	ChannelDispatch    bool `json:"channel_dispatch"`
}

// HeartbeatResponse is the answer to a heartbeat.
type HeartbeatResponse struct {
	Status string `json:"status"` // "ok"
}

// Heartbeat says that the workspace is alive: POST /registry/heartbeat. Each
// one also hands the platform a chance to deliver one queued message.
//
// A success proves little. The platform answers 200 for workspaces that are
// removed, unknown or without any valid token, whatever token was sent. It is
// never repeated here: the next one is due anyway.
func (c *Client) Heartbeat(ctx context.Context, r HeartbeatRequest) (*HeartbeatResponse, error) {
	if r.WorkspaceID = strings.ToLower(r.WorkspaceID); r.WorkspaceID == "" {
		r.WorkspaceID = c.workspace
	}
	var out HeartbeatResponse
	err := c.do(ctx, call{
		op: "Heartbeat", method: http.MethodPost, path: "/registry/heartbeat", asks: never, body: r, quiet: true,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}
