package tool

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Result is what a call came to, for the model that has called.
type Result struct {
	// Text is for the model and is never empty.
	Text string `json:"text"`
	// Structured is the same as a JSON object, for programs; nil when there is
	// only text.
	Structured json.RawMessage `json:"structured,omitempty"`
	// IsError says that the tool has not done what it was asked to; Text says
	// why and what to do.
	IsError bool `json:"is_error,omitempty"`
}

// Text makes a Result of a text.
func Text(s string) Result { return Result{Text: s} }

// nothing is the text of an answer that has none: a model takes an empty one
// for a failure.
const nothing = "done"

// resultOf turns a function's answer into a Result.
func resultOf(out any) (Result, error) {
	switch out := out.(type) {
	case Result:
		if out.Text == "" {
			out.Text = nothing
		}
		return out, nil
	case string:
		if out == "" {
			out = nothing
		}
		return Text(out), nil
	}
	v := reflect.ValueOf(out)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return Text(nothing), nil
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return Result{}, fmt.Errorf("the answer cannot be written as JSON: %w", err)
	}
	r := Result{Text: string(raw)}
	if structured(v.Type()) {
		r.Structured = raw
	}
	if s, ok := out.(interface{ ModelText() string }); ok {
		if r.Text = s.ModelText(); r.Text == "" {
			r.Text = nothing
		}
	}
	return r, nil
}
