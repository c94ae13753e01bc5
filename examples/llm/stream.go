package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Why an answer is not whole.
var (
	ErrBroken = errors.New("the model's answer broke off: send the message again")
	ErrCut    = errors.New("the model's answer was cut off")
)

// maxLine is the longest event, in bytes.
const maxLine = 1 << 20

// chunk is one event of a stream.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content   string      `json:"content"`
			ToolCalls []callDelta `json:"tool_calls"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *Usage          `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// callDelta is a piece of a tool call: the first one has the id and the name,
// the others go on with the arguments.
type callDelta struct {
	Index int `json:"index"`
	ToolCall
}

// read reads server-sent events: text is handed on as it comes, tool
// calls are put together. A stream that ends before the model has finished is
// ErrBroken, and no half of a call is left to be done.
func (e Endpoint) read(r io.Reader, text func(string) error) (Answer, error) {
	answer := Answer{Message: Message{Role: "assistant"}}
	var content strings.Builder
	var calls callBuilder
	var finish string
	done := false
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for !done && lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue // a comment that keeps the connection alive, the end of an event
		}
		if data = strings.TrimSpace(data); data == "[DONE]" {
			done = true
			continue
		}
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return answer, fmt.Errorf("%w (an event is no JSON: %w)", ErrBroken, err)
		}
		if len(c.Error) > 0 && string(c.Error) != "null" {
			return answer, fmt.Errorf("%w (the endpoint says: %s)", ErrBroken, e.withoutKey(string(c.Error)))
		}
		if c.Usage != nil {
			answer.Usage = *c.Usage // a total, not a step
		}
		if len(c.Choices) == 0 {
			continue
		}
		choice := c.Choices[0]
		if choice.FinishReason != "" {
			finish = choice.FinishReason
		}
		for _, d := range choice.Delta.ToolCalls {
			calls.add(d)
		}
		if s := choice.Delta.Content; s != "" {
			content.WriteString(s)
			if err := text(s); err != nil {
				return answer, err
			}
		}
	}
	answer.Content = content.String()
	switch {
	case lines.Err() != nil:
		return answer, fmt.Errorf("%w (%w)", ErrBroken, lines.Err())
	case !done && finish == "":
		return answer, ErrBroken
	case finish == "length":
		return answer, fmt.Errorf("%w: it was too long", ErrCut)
	case finish == "content_filter":
		return answer, fmt.Errorf("%w by a filter", ErrCut)
	}
	answer.ToolCalls = calls.all()
	return answer, nil
}

// callBuilder puts calls together, several at the same time.
type callBuilder struct {
	calls []*ToolCall
	at    map[int]*ToolCall // by index
}

func (b *callBuilder) add(d callDelta) {
	call := b.at[d.Index]
	// Some endpoints give every call the index 0, and tell them apart by id.
	if call == nil || d.ID != "" && call.ID != "" && d.ID != call.ID {
		call = &ToolCall{Type: "function"}
		b.calls = append(b.calls, call)
		if b.at == nil {
			b.at = map[int]*ToolCall{}
		}
		b.at[d.Index] = call
	}
	if d.ID != "" {
		call.ID = d.ID
	}
	if call.Function.Name == "" {
		call.Function.Name = d.Function.Name
	}
	call.Function.Arguments += d.Function.Arguments
}

// all are the calls; one without an id gets one, for its result to refer to.
func (b *callBuilder) all() []ToolCall {
	var all []ToolCall
	for i, c := range b.calls {
		if c.ID == "" {
			c.ID = fmt.Sprintf("call_%d", i)
		}
		all = append(all, *c)
	}
	return all
}
