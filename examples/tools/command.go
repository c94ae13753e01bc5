package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

type input map[string]any

// parse reads a command: which tool, and what it is given.
func (a *Agent) parse(ctx context.Context, command string) (tool string, in input, err error) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(command), " ")
	rest = strings.TrimSpace(rest)
	switch verb {
	case "peers":
		return "list_peers", optional("query", rest), nil
	case "info":
		return "get_workspace_info", nil, nil
	case "delegate":
		in, err = a.work(ctx, "workspace_id", rest)
		return "delegate_task", in, err
	case "async":
		in, err = a.work(ctx, "workspace_id", rest)
		return "delegate_task_async", in, err
	case "route":
		in, err = a.work(ctx, "preferred_member_id", rest)
		return "route_task_to_team", in, err
	case "status":
		return "check_task_status", optional("task_id", rest), nil
	case "tell":
		return "send_message_to_user", input{"message": rest}, nil
	case "send":
		return "send_message_to_user", input{"message": "Here is a file.", "attachments": []string{rest}}, nil
	case "remember":
		return "commit_memory", input{"content": rest}, nil
	case "recall":
		return "recall_memory", optional("query", rest), nil
	case "ask":
		action, reason, _ := strings.Cut(strings.TrimPrefix(rest, "approval "), " because ")
		return "request_approval", input{"action": action, "reason": reason}, nil
	case "count":
		return countWords.Name(), input{"text": rest}, nil
	}
	return "", nil, fmt.Errorf("%q is no command: send peers, info, delegate, async, route, status, tell, send, remember, recall, ask, count or tour", verb)
}

// optional is an input with one field, or with none.
func optional(field, value string) input {
	if value == "" {
		return nil
	}
	return input{field: value}
}

// work reads "NAME TEXT": people know peers by name, the tools by id.
func (a *Agent) work(ctx context.Context, field, rest string) (input, error) {
	name, text, _ := strings.Cut(rest, " ")
	peers, err := a.peers(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		if p.Name == name {
			name = p.ID
			break
		}
	}
	return input{field: name, "task": text}, nil
}

type peer struct{ ID, Name string }

// peers are read from the structured half of a result, which is for programs.
func (a *Agent) peers(ctx context.Context) ([]peer, error) {
	result, err := a.ws.Tools().Call(ctx, "list_peers", nil)
	if err != nil {
		return nil, errors.New(result.Text)
	}
	var list struct{ Peers []peer }
	if err := json.Unmarshal(result.Structured, &list); err != nil {
		return nil, fmt.Errorf("list_peers: %w", err)
	}
	return list.Peers, nil
}

// firstPeer is what commands may call it.
func (a *Agent) firstPeer(ctx context.Context) (string, error) {
	peers, err := a.peers(ctx)
	if err != nil {
		return "", err
	}
	if len(peers) == 0 {
		return "", errors.New("there are no peers: add a workspace that this one may talk to")
	}
	if name := peers[0].Name; name != "" && !strings.Contains(name, " ") {
		return name, nil
	}
	return peers[0].ID, nil
}
