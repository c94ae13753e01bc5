package runtime

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// describe makes the card from the agent's own description and the
// configuration, and puts it where callers find it.
func (r *Runtime) describe() error {
	info := r.info.Load()
	card, err := agentCard(r.agent, info.cfg, info.url, &r.set)
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	if old := r.card.Load(); old != nil {
		return old.Set(card)
	}
	made, err := jsonrpc.NewCard(card)
	if err != nil {
		return err
	}
	r.card.Store(made)
	return nil
}

// registration is what the workspace tells the platform about itself.
func (r *Runtime) registration() heartbeat.Registration {
	var reg heartbeat.Registration
	if info := r.info.Load(); info != nil {
		reg.URL = info.url
	}
	if card := r.card.Load(); card != nil {
		reg.Card = card.JSON()
	}
	return reg
}

// agentCard describes an agent at url. The capabilities are what this library
// does, not what a configuration claims.
func agentCard(agent Agent, cfg *config.Config, url string, s *settings) (*a2a.AgentCard, error) {
	var d Description
	if describer, ok := agent.(Describer); ok {
		d = describer.Describe()
	}
	card := &a2a.AgentCard{
		Name:        first(d.Name, cfg.Name, "Workspace"),
		Version:     first(d.Version, cfg.Version, "1.0.0"),
		Description: first(d.Description, cfg.Description, d.Name, cfg.Name, "Workspace"),
		SupportedInterfaces: []*a2a.AgentInterface{
			{URL: url, ProtocolBinding: a2a.TransportProtocolJSONRPC, ProtocolVersion: "1.0"},
		},
		Capabilities: a2a.AgentCapabilities{
			Streaming: true, PushNotifications: s.notifier != nil,
			Extensions: []a2a.AgentExtension{{
				URI:         tool.MessageIDExtension,
				Description: "A message id that comes again gets the task that it made.",
			}},
		},
		DefaultInputModes:  d.InputModes,
		DefaultOutputModes: d.OutputModes,
		Skills:             []a2a.AgentSkill{},
	}
	if s.rest {
		card.SupportedInterfaces = append(card.SupportedInterfaces,
			&a2a.AgentInterface{URL: url + restPath, ProtocolBinding: a2a.TransportProtocolHTTPJSON, ProtocolVersion: "1.0"})
	}
	if len(card.DefaultInputModes) == 0 {
		card.DefaultInputModes = []string{"text/plain"}
	}
	if len(card.DefaultOutputModes) == 0 {
		card.DefaultOutputModes = []string{"text/plain"}
	}
	seen := map[string]bool{}
	for _, s := range d.Skills {
		if s.ID == "" {
			return nil, errors.New("a skill of the agent has no ID; Describe must give one that is unique within the card")
		}
		if seen[s.ID] {
			return nil, fmt.Errorf("two skills of the agent have the ID %q; Describe must give each its own", s.ID)
		}
		seen[s.ID] = true
		tags := s.Tags
		if tags == nil {
			tags = []string{}
		}
		card.Skills = append(card.Skills, a2a.AgentSkill{
			ID: s.ID, Name: first(s.Name, s.ID), Description: first(s.Description, s.Name, s.ID), Tags: tags, Examples: s.Examples,
		})
	}
	if _, err := json.Marshal(card); err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	return card, nil
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
