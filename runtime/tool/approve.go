package tool

import (
	"context"
	"fmt"
	"time"
)

type approveInput struct {
	Action  string         `json:"action" jsonschema:"what is to be done, in a few words, such as: delete the branch release-1"`
	Reason  string         `json:"reason" jsonschema:"why, and what happens otherwise: the person decides by it"`
	Details map[string]any `json:"details,omitempty" jsonschema:"anything else that the person should see"`
}

type approveOutput struct {
	Approved bool `json:"approved"`
	Decision
}

// ModelText says what to do now.
func (o approveOutput) ModelText() string {
	by := ""
	if o.DecidedBy != "" {
		by = " by " + oneLine(o.DecidedBy, 80)
	}
	switch o.Outcome {
	case Approved:
		return "Approved" + by + ". This is for one time: do exactly what was asked for."
	case Denied:
		return "Denied" + by + ". Do not do it, and do not ask again; tell the user."
	}
	return "Nobody has decided in time. That is no approval: do not do it, and tell the user."
}

// requestApproval blocks for as long as a person may take.
func (p Platform) requestApproval() *Tool {
	limit := p.Approvals.opts.Timeout
	return New("request_approval",
		fmt.Sprintf("Asks a person for leave and waits for the decision, at most %v. Call it before anything that cannot be undone, costs money or goes outside. "+
			"Only the outcome approved is a yes.", limit),
		func(ctx context.Context, in approveInput) (approveOutput, error) {
			Report(ctx, Progress{Message: "waiting for a person to decide"})
			ask := ApprovalRequest{Action: in.Action, Reason: in.Reason}
			if len(in.Details) > 0 {
				ask.Details = in.Details
			}
			d, err := p.Approvals.Request(WithCallID(ctx, CallID(ctx)), ask) // it is the call itself
			return approveOutput{Approved: d.Outcome == Approved, Decision: d}, err
		}, WithAction(ActionApprove), NotBlank("action", "reason"), WithTimeout(limit+30*time.Second),
		WithHints(Hints{Title: "Ask a person", OpenWorld: true}))
}
