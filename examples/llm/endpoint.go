package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Endpoint is a model that is reached over the chat-completions API.
type Endpoint struct {
	BaseURL string // up to and with /v1
	Key     string // sent as the bearer; never logged
	Model   string
	// Pause is the wait before the second attempt, where the endpoint names
	// none; it doubles. Default: one second.
	Pause time.Duration
}

// Message is one entry of the conversation.
type Message struct {
	Role       string     `json:"role"` // system, user, assistant or tool
	Content    string     `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"` // with the role tool: whose result this is
}

// ToolCall is what the model wants to have done.
type ToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"` // JSON, or what the model takes for it
	} `json:"function"`
}

// Answer is a whole answer of the model.
type Answer struct {
	Message
	Usage Usage
}

// Usage counts tokens.
type Usage struct {
	Input  int `json:"prompt_tokens"`
	Output int `json:"completion_tokens"`
}

// Attempts and sizes.
const (
	attempts = 3
	longest  = 30 * time.Second // the longest wait that an endpoint may ask for
	maxError = 4 << 10          // bytes of an error that are read
)

// client follows no redirect, which would take the conversation elsewhere, and
// waits for the beginning of an answer only so long.
var client = &http.Client{
	Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = 2 * time.Minute
		return t
	}(),
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Stream asks the model and hands on each piece of its text as it comes. An
// endpoint that is busy or broken is asked again as long as nothing has come
// from it. What has come is in the Answer, also when there is an error: a
// *StatusError, ErrBroken, ErrCut, or one of ctx, the network or text.
func (e Endpoint) Stream(ctx context.Context, said []Message, tools []json.RawMessage, text func(string) error) (Answer, error) {
	body, err := json.Marshal(struct {
		Model         string            `json:"model"`
		Messages      []Message         `json:"messages"`
		Tools         []json.RawMessage `json:"tools,omitempty"`
		Stream        bool              `json:"stream"`
		StreamOptions map[string]bool   `json:"stream_options"`
	}{e.Model, said, tools, true, map[string]bool{"include_usage": true}})
	if err != nil {
		return Answer{}, err
	}
	pause := e.Pause
	if pause == 0 {
		pause = time.Second
	}
	for attempt := 1; ; attempt++ {
		resp, err := e.post(ctx, body)
		if err == nil {
			defer resp.Body.Close()
			return e.read(resp.Body, text)
		}
		var refused *StatusError
		if !errors.As(err, &refused) || !refused.Passing() || attempt == attempts {
			return Answer{}, err
		}
		wait := pause
		if refused.RetryAfter > 0 {
			wait = min(refused.RetryAfter, longest)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return Answer{}, context.Cause(ctx)
		}
		pause *= 2
	}
}

func (e Endpoint) post(ctx context.Context, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(e.BaseURL, "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	if e.Key != "" {
		req.Header.Set("Authorization", "Bearer "+e.Key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	detail, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // what can be read of it has to do
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))   // a date counts as nothing
	return nil, &StatusError{
		Status: resp.StatusCode, Detail: e.withoutKey(string(detail)), RetryAfter: time.Duration(max(0, seconds)) * time.Second,
	}
}

// withoutKey is what an endpoint has said, should it repeat the key.
func (e Endpoint) withoutKey(s string) string {
	if e.Key == "" {
		return s
	}
	return strings.ReplaceAll(s, e.Key, "[the key]")
}

// StatusError is an answer of the endpoint that is none of the model's.
type StatusError struct {
	Status     int
	Detail     string // what the endpoint says, for the log
	RetryAfter time.Duration
}

// Error is for the log.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the model's endpoint answered %d: %s", e.Status, e.Detail)
}

// Passing reports whether it may be better next time.
func (e *StatusError) Passing() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// public is what the user may read of an error.
func public(err error) string {
	var refused *StatusError
	switch {
	case errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden):
		return "the model's endpoint does not accept this workspace's key: its operator has to set OPENAI_API_KEY"
	case errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests:
		return "the model is busy or its quota is used up: try again later"
	case errors.As(err, &refused) && refused.Passing():
		return "the model's endpoint has failed: try again later"
	case errors.As(err, &refused):
		return fmt.Sprintf("the model's endpoint has refused the request (%d): its operator finds the reason in the log", refused.Status)
	case errors.Is(err, ErrBroken):
		return ErrBroken.Error()
	case errors.Is(err, ErrCut):
		return err.Error()
	}
	return "the model cannot be reached: try again later"
}
