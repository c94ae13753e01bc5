package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// The keys of a question for leave, and of its answer, for callers that are
// programs.
const (
	interruptKey  = "interrupt_type"
	interruptWord = "tool_approval"
	actionsKey    = "action_requests"
	actionKey     = "action"
	decisionKey   = "decision_type"
)

// The words that answer such a question in a text, which must hold nothing
// else.
var (
	approving = []string{"approve", "approved", "yes", "proceed", "continue"}
	denying   = []string{"deny", "denied", "reject", "no", "cancel", "stop"}
)

// AskApproval makes the error that ends the turn by asking its caller for leave;
// return it from Run. It is [Reply.Ask] in a form that people can read and
// programs can answer: the task waits as INPUT_REQUIRED, over restarts too, and
// the turn that answers has the decision in [Turn.Approval].
//
// The caller decides, whoever that is: anybody who may send messages to the
// workspace, unless [WithAuthenticator] tells callers apart. Where a person has
// to decide, ask [Workspace.Approvals].
//
// The question has a text part and a data part:
//
//	{"interrupt_type":"tool_approval","action":ACTION,"reason":REASON,
//	 "action_requests":[{"name":ACTION,"args":DETAILS}]}
//
// and is answered by a data part {"decision_type":"approve"}, or "deny" or
// "reject", or by a text that says nothing but yes or no in a word.
func (r *Reply) AskApproval(ask tool.ApprovalRequest) error {
	if strings.TrimSpace(ask.Action) == "" {
		return errors.New("runtime: Reply.AskApproval: no action; say what is to be approved")
	}
	request := map[string]any{"name": ask.Action}
	if ask.Details != nil {
		raw, err := json.Marshal(ask.Details)
		if err != nil {
			return fmt.Errorf("runtime: Reply.AskApproval: details: %w", err)
		}
		request["args"] = json.RawMessage(raw)
	}
	text := "May I do this: " + ask.Action + "?"
	if ask.Reason != "" {
		text += " " + ask.Reason
	}
	return r.x.Ask(a2a.NewTextPart(text), a2a.NewDataPart(map[string]any{
		interruptKey: interruptWord, actionKey: ask.Action, "reason": ask.Reason, actionsKey: []any{request},
	}))
}

// Approval is what the caller has decided, when this message answers an
// [Reply.AskApproval] of this task: the action that was asked for, and
// [tool.Approved] or [tool.Denied]. Both are empty when it answers no such
// question, or with something else than a decision: nothing is approved then. A
// decision is for the one action, so compare it.
func (t *Turn) Approval() (action string, outcome tool.ApprovalOutcome) {
	question := t.x.Question()
	if question == nil || dataText(question, interruptKey) != interruptWord {
		return "", ""
	}
	word := dataText(t.x.Message(), decisionKey)
	if word == "" {
		word = strings.ToLower(strings.Trim(t.Text(), " \t\r\n.!"))
	}
	switch {
	case slices.Contains(approving, word):
		return dataText(question, actionKey), tool.Approved
	case slices.Contains(denying, word):
		return dataText(question, actionKey), tool.Denied
	}
	return "", ""
}

// dataText is the text under a key in a data part of a message.
func dataText(m *a2a.Message, key string) string {
	for _, p := range m.Parts {
		data, ok := p.Content.(a2a.Data)
		if !ok {
			continue
		}
		if fields, ok := data.Value.(map[string]any); ok {
			if text, ok := fields[key].(string); ok {
				return text
			}
		}
	}
	return ""
}
