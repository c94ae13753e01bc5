package registrytest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// transcriptAgent answers as the agent of the transcripts did, by path. What a
// path does can be changed, as the transcripts' author changed the agent.
type transcriptAgent struct {
	mu       sync.Mutex
	received []string
}

func (a *transcriptAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	a.received = append(a.received, dump(r, body))
	a.mu.Unlock()
	var call struct {
		ID     json.RawMessage
		Params struct {
			Message struct{ Parts []struct{ Text string } }
		}
	}
	_ = json.Unmarshal(body, &call)
	id, text := "null", ""
	if len(call.ID) > 0 {
		id = string(call.ID)
	}
	for _, p := range call.Params.Message.Parts {
		text += p.Text
	}
	message := func(kind, text string) string {
		quoted, _ := json.Marshal(text)
		return fmt.Sprintf(`{"jsonrpc": "2.0", "id": %s, "result": {"kind": "message", "role": "agent", "messageId": "m-agent-1", "parts": [{"%s": "text", "text": %s}]}}`, id, kind, quoted)
	}
	answer := func(status int, text string) {
		w.Header().Set("Content-Type", "text/x-whatever")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	seconds, slow := strings.CutPrefix(r.URL.Path, "/slow/")
	if slow {
		n, _ := strconv.Atoi(seconds)
		timer := time.NewTimer(time.Duration(n) * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
		answer(200, message("kind", "slow: "+text))
		return
	}
	switch r.URL.Path {
	case "/type":
		answer(200, message("type", "echo: "+text))
	case "/task":
		answer(200, `{"jsonrpc": "2.0", "id": `+id+`, "result": {"kind": "task", "id": "task-1", "contextId": "ctx-1", "status": {"state": "completed", "timestamp": "2026-01-01T00:00:00Z"}, "artifacts": [{"artifactId": "a1", "parts": [{"kind": "text", "text": "artifact: `+text+`"}]}]}}`)
	case "/taskstatus":
		answer(200, `{"jsonrpc": "2.0", "id": `+id+`, "result": {"kind": "task", "id": "task-1", "contextId": "ctx-1", "status": {"state": "completed", "message": {"kind": "message", "role": "agent", "messageId": "m2", "parts": [{"kind": "text", "text": "status: `+text+`"}]}}}}`)
	case "/rpcerr":
		answer(200, `{"jsonrpc": "2.0", "id": `+id+`, "error": {"code": -32603, "message": "agent exploded"}}`)
	case "/usage":
		answer(200, `{"jsonrpc": "2.0", "id": `+id+`, "result": {"kind": "message", "role": "agent", "messageId": "m-agent-1", "parts": [{"kind": "text", "text": "u: `+text+`"}], "usage": {"input_tokens": 11, "output_tokens": 7}, "metadata": {"tool_trace": [{"tool": "sh", "input": "ls"}]}}}`)
	case "/err500":
		answer(500, `{"error": "boom"}`)
	case "/err400obj":
		answer(400, `{"error": {"code": 1}}`)
	case "/202":
		answer(202, message("kind", "accepted"))
	case "/plain":
		answer(200, "just text, not JSON")
	case "/empty":
		answer(200, "")
	case "/big":
		answer(200, strings.Repeat("x", 12<<20))
	case "/302":
		http.Redirect(w, r, "/echo", http.StatusFound)
	case "/partial":
		w.Header().Set("Content-Length", "500")
		answer(200, `{"jsonrpc": "2.0", `)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/drop", "/rst":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		if l, ok := conn.(interface{ SetLinger(int) error }); ok && r.URL.Path == "/rst" {
			_ = l.SetLinger(0)
		}
		_ = conn.Close()
	default:
		answer(200, message("kind", "echo: "+text))
	}
}

// dump is a request as the transcripts show it.
func dump(r *http.Request, body []byte) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s HTTP/1.1\nHost: %s\n", r.Method, r.URL.RequestURI(), r.Host)
	fmt.Fprintf(&out, "User-Agent: %s\nContent-Length: %d\n", r.Header.Get("User-Agent"), r.ContentLength)
	for _, key := range []string{"Authorization", "Content-Type", "Accept-Encoding"} {
		if value := r.Header.Get(key); value != "" {
			fmt.Fprintf(&out, "%s: %s\n", key, value)
		}
	}
	for key := range r.Header {
		switch key {
		case "User-Agent", "Content-Length", "Authorization", "Content-Type", "Accept-Encoding":
		default:
			fmt.Fprintf(&out, "UNEXPECTED %s: %s\n", key, r.Header.Get(key))
		}
	}
	out.WriteString("\n")
	out.Write(body)
	return strings.TrimSpace(out.String())
}

// take returns what was received since the last time.
func (a *transcriptAgent) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.received
	a.received = nil
	return out
}
