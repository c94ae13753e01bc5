package tool

import (
	"context"
	"fmt"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

type routeInput struct {
	Task      string `json:"task" jsonschema:"what is to be done, with everything a member needs to know"`
	Preferred string `json:"preferred_member_id,omitempty" jsonschema:"the id of the member that should do it; leave it out to be shown the members"`
}

type routed struct {
	Action  string     `json:"action" jsonschema:"choose_member or delegated"`
	Members []peer     `json:"members,omitempty"`
	Result  *delegated `json:"result,omitempty"`
	Task    string     `json:"task"`
}

// ModelText is the member's answer, or the members to choose from.
func (r *routed) ModelText() string {
	if r.Result != nil {
		return r.Result.ModelText()
	}
	var b strings.Builder
	b.WriteString("Choose the member whose role fits best, and call route_task_to_team again with its id as preferred_member_id:\n")
	b.WriteString((&peerList{Peers: r.Members}).ModelText())
	return b.String()
}

// routeTaskToTeam is there while the workspace has children.
func (p Platform) routeTaskToTeam() *Tool {
	return New("route_task_to_team",
		fmt.Sprintf("Hands a task to a member of this workspace's own team. Without preferred_member_id it shows the members to choose from; "+
			"with it, it hands the task over and waits for the answer, at most %v.", p.Delegation.Timeout),
		func(ctx context.Context, in routeInput) (*routed, error) {
			out := &routed{Action: "choose_member", Task: in.Task}
			for _, child := range p.Team.Children() {
				if available(child) {
					out.Members = append(out.Members, describePeer(child, p.Client.WorkspaceID()))
				}
			}
			if strings.TrimSpace(in.Preferred) == "" {
				if len(out.Members) == 0 {
					return nil, Fail(nil, "no member of the team is online: do the work yourself, or tell the user that it has to wait")
				}
				return out, nil
			}
			target, err := p.member(in.Preferred)
			if err != nil {
				return nil, err
			}
			params, err := p.message(ctx, delegateInput{Task: in.Task})
			if err != nil {
				return nil, err
			}
			x := &exchange{Platform: p, target: target, params: params}
			reply, err := x.run(ctx)
			if err != nil {
				return nil, err
			}
			result, err := x.outcome(reply)
			if err != nil {
				return nil, err
			}
			return &routed{Action: "delegated", Task: in.Task, Result: result}, nil
		}, WithAction(ActionDelegate), NotBlank("task"), WithTimeout(p.Delegation.Timeout),
		When(func() bool { return len(p.Team.Children()) > 0 }), WithHints(Hints{Title: "Hand to the team", OpenWorld: true}))
}

// member checks that an id is one of the team's, and that it can work.
func (p Platform) member(id string) (string, error) {
	const field = "preferred_member_id"
	id, err := p.peerID(field, id)
	if err != nil {
		return "", err
	}
	for _, child := range p.Team.Children() {
		if child.ID != id {
			continue
		}
		if !available(child) {
			return "", Bad(field, "is a member that is "+oneLine(child.Status, 20), "choose another one, or leave it out to see who is there")
		}
		return id, nil
	}
	return "", Bad(field, "is no member of this team", "leave it out to see who is, or use delegate_task for other peers")
}

// available reports whether a peer can be given work.
func available(p registry.Peer) bool {
	return p.Status == registry.StatusOnline || p.Status == registry.StatusDegraded
}
