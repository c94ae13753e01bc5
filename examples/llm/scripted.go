package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

var idOfPeer = regexp.MustCompile(`\(id ([^,]+),`)

// scripted is a model without a mind, over the same API as a real one: it lists
// the peers, delegates to the first of them, and tells what that has said. It
// shows what goes over the wire.
func scripted(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Messages []Message }
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || len(ask.Messages) == 0 {
		http.Error(w, `{"error":{"message":"no messages"}}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	script(w, ask.Messages)
}

// script goes on from how many results of tools there are.
func script(w http.ResponseWriter, said []Message) {
	var results []string
	for _, m := range said {
		if m.Role == "tool" {
			results = append(results, m.Content)
		}
	}
	switch len(results) {
	case 0:
		say(w, "Let me see who is there.")
		ring(w, "list_peers", "{}")
	case 1:
		peer := idOfPeer.FindStringSubmatch(results[0])
		if peer == nil {
			say(w, "There is nobody: "+results[0])
			break
		}
		ring(w, "delegate_task", fmt.Sprintf(`{"workspace_id":%q,"task":"say hello"}`, peer[1]))
	default:
		say(w, "They say: "+results[len(results)-1])
	}
	event(w, `{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":8}}`, 10*len(said))
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// say streams text, a word at a time.
func say(w http.ResponseWriter, text string) {
	for _, word := range strings.SplitAfter(text, " ") {
		event(w, `{"choices":[{"index":0,"delta":{"content":%s}}]}`, quoted(word))
	}
}

// ring asks for a tool, the arguments in two pieces.
func ring(w http.ResponseWriter, name, arguments string) {
	half := len(arguments) / 2
	event(w, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_%s","type":"function","function":{"name":%s,"arguments":%s}}]}}]}`,
		name, quoted(name), quoted(arguments[:half]))
	event(w, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":%s}}]},"finish_reason":"tool_calls"}]}`,
		quoted(arguments[half:]))
}

func event(w http.ResponseWriter, format string, args ...any) {
	fmt.Fprintf(w, "data: "+format+"\n\n", args...)
	w.(http.Flusher).Flush()
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string always can be
	return b
}
