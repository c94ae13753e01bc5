package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxIDLength bounds the id of a request, in bytes: each event of a stream
// repeats it.
const maxIDLength = 1024

// envelope is a JSON-RPC 2.0 request.
type envelope struct {
	id     json.RawMessage // verbatim: numbers above 2^53 stay what they are
	method string
	params json.RawMessage

	dialect    dialect // of the method
	eventsOnly bool    // the caller would not see a plain error
}

var null = json.RawMessage("null")

// parseEnvelope reads a request. The envelope it returns beside a fault has the
// id, if there was one to be found.
func parseEnvelope(body []byte, maxDepth int) (envelope, *fault) {
	env := envelope{id: null}
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return env, parseFault("the body is empty")
	case body[0] == '[':
		return env, invalidRequest("batches are not supported")
	case tooDeep(body, maxDepth):
		return env, invalidRequest("the request is nested too deeply")
	}
	if body[0] != '{' {
		if json.Valid(body) {
			return env, invalidRequest("the request is not an object")
		}
		return env, parseFault("the body is not JSON")
	}
	var raw struct {
		JSONRPC json.RawMessage `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  json.RawMessage `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return env, parseFault("the body is not one JSON value")
	}
	switch {
	case len(raw.ID) == 0 || bytes.Equal(raw.ID, null):
		return env, invalidRequest("the request has no id; notifications are not supported")
	case raw.ID[0] != '"' && raw.ID[0] != '-' && (raw.ID[0] < '0' || raw.ID[0] > '9'):
		return env, invalidRequest("the id is neither a string nor a number")
	case len(raw.ID) > maxIDLength || !utf8.Valid(raw.ID): // encoding/json lets both through
		return env, invalidRequest(fmt.Sprintf("the id is longer than %d bytes or no UTF-8", maxIDLength))
	}
	env.id = raw.ID
	if string(raw.JSONRPC) != `"2.0"` {
		return env, invalidRequest(`jsonrpc is not "2.0"`)
	}
	if json.Unmarshal(raw.Method, &env.method) != nil || env.method == "" {
		return env, invalidRequest("method is not a string")
	}
	env.params = raw.Params
	return env, nil
}

// tooDeep reports whether JSON is nested deeper than most, without decoding
// it. What is not JSON is somebody else's to refuse.
func tooDeep(b []byte, most int) bool {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// appendResponse writes a JSON-RPC response around a result or an error, both
// JSON already.
func appendResponse(b []byte, id json.RawMessage, key string, value []byte) []byte {
	b = append(b, `{"jsonrpc":"2.0","id":`...)
	b = append(b, id...)
	b = append(b, `,"`...)
	b = append(b, key...)
	b = append(b, `":`...)
	b = append(b, value...)
	return append(b, '}')
}

// encode makes JSON of a result. A handler that gives neither a result nor an
// error has a fault of its own.
func encode(result any) ([]byte, error) {
	value, err := json.Marshal(result)
	if err == nil && bytes.Equal(value, null) {
		err = errors.New("jsonrpc: the request handler gave no result")
	}
	return value, err
}

func (h *handler) answerError(ctx context.Context, w http.ResponseWriter, env envelope, err error) {
	f := h.faultOf(ctx, env, err)
	noteFault(ctx, f)
	h.answerFault(w, env, f)
}

func (h *handler) answerFault(w http.ResponseWriter, env envelope, f *fault) {
	if env.eventsOnly {
		h.answerAs(w, eventStream, appendEvent(nil, 0, env.id, "error", f.json()))
		return
	}
	h.answer(w, appendResponse(nil, env.id, "error", f.json()))
}

func (h *handler) answer(w http.ResponseWriter, body []byte) {
	h.answerAs(w, "application/json", body)
}

// answerAs sends an answer whole, within the deadline that every write here
// has: the server's own would count from the request.
func (h *handler) answerAs(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(h.writeTimeout)) // not every ResponseWriter has one
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body) // a caller that is gone cannot be told
	if err == nil {
		err = rc.Flush()
	}
	if err == nil {
		_ = rc.SetWriteDeadline(time.Time{}) // the next request has its own time
	}
}

// refuse answers what is no JSON-RPC call at all, with the HTTP status that
// says so.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(appendResponse(nil, null, "error", invalidRequest(text).json()))
}
