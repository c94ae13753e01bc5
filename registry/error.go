package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// What the platform answered, for [errors.Is]. The [Error] that matches one
// has the details.
var (
	ErrBadRequest       = errors.New("bad request")                      // 400
	ErrUnauthorized     = errors.New("token missing or not accepted")    // 401
	ErrBudgetExceeded   = errors.New("workspace budget exceeded")        // 402
	ErrForbidden        = errors.New("not allowed")                      // 403
	ErrNotFound         = errors.New("not found")                        // 404
	ErrTenantMismatch   = errors.New("organisation id missing or wrong") // 404 with an empty body
	ErrConflict         = errors.New("conflict")                         // 409
	ErrRemoved          = errors.New("removed")                          // 410, of later platforms
	ErrTooLarge         = errors.New("too large")                        // 413, or refused before sending
	ErrRateLimited      = errors.New("rate limited")                     // 429
	ErrBusy             = errors.New("busy")                             // 503 with busy
	ErrRestarting       = errors.New("restarting")                       // 503 with restarting
	ErrUnavailable      = errors.New("platform unavailable")             // any 5xx
	ErrUnexpectedAnswer = errors.New("unexpected answer")                // 2xx without the JSON it should have
)

// Error is an answer of the platform other than success. Match the kind with
// [errors.Is] and the sentinels above; take the details with [errors.As].
type Error struct {
	Op      string // the method of [Client] that was called
	Method  string // HTTP method
	Path    string // of the URL
	Status  int    // HTTP status
	Message string // the platform's own words; may be empty

	// RetryAfter is how long the platform asks to wait, already a second more
	// than it says because it rounds down; 0 when it does not ask.
	RetryAfter time.Duration

	// Details of a failed [Client.SendA2A].
	Busy              bool   // the agent is at work; the message may have arrived
	NativeSession     bool   // busy, and the agent keeps its own queue: the platform does not
	Restarting        bool   // the agent is being restarted; the message did not arrive
	Waking            bool   // the workspace is hibernated
	DeliveryConfirmed *bool  // whether the agent had begun to answer when its answer broke off
	RowStatus         string // of a workspace that has no address, such as "paused"

	// CurrentVersion is the stored version, 0 for none, of a conditional
	// [Client.SetKV] that found another; nil otherwise.
	CurrentVersion *int64

	empty bool // no body at all
}

// Error says what was asked and what the platform answered.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "registry: %s: %s %s: %d %s", e.Op, e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if hint := e.hint(); hint != "" {
		fmt.Fprintf(&b, " (%s)", hint)
	}
	return b.String()
}

// hint knows the usual mistake behind an answer.
func (e *Error) hint() string {
	switch {
	case e.Status == http.StatusNotFound && e.empty:
		return "possible missing organisation: set MOLECULE_ORG_ID or registry.WithOrgID"
	case e.Status == http.StatusNotFound && strings.HasPrefix(e.Message, "404 page not found"):
		return "possible wrong base URL or older platform: it does not know this path"
	case e.Status == http.StatusForbidden && e.empty:
		return "possible proxy that adds an Origin header"
	case e.Status == http.StatusBadRequest && e.Op == "Register" && e.Message == "invalid request body":
		return "possible refused URL: a self-hosted platform accepts no loopback or private address"
	}
	return ""
}

// Is reports whether target is the sentinel for this answer.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrBadRequest:
		return e.Status == http.StatusBadRequest
	case ErrUnauthorized:
		return e.Status == http.StatusUnauthorized
	case ErrBudgetExceeded:
		return e.Status == http.StatusPaymentRequired
	case ErrForbidden:
		return e.Status == http.StatusForbidden
	case ErrNotFound:
		return e.Status == http.StatusNotFound && !e.empty
	case ErrTenantMismatch:
		return e.Status == http.StatusNotFound && e.empty
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrRemoved:
		return e.Status == http.StatusGone
	case ErrTooLarge:
		return e.Status == http.StatusRequestEntityTooLarge
	case ErrRateLimited:
		return e.Status == http.StatusTooManyRequests
	case ErrBusy:
		return e.Status == http.StatusServiceUnavailable && e.Busy
	case ErrRestarting:
		return e.Status == http.StatusServiceUnavailable && e.Restarting
	case ErrUnavailable:
		return e.Status >= 500
	}
	return false
}

// FromPlatform reports whether err is something the platform said, rather than
// a failure to get an answer from it.
func FromPlatform(err error) bool {
	var e *Error
	return errors.As(err, &e) || errors.Is(err, ErrUnexpectedAnswer)
}

// answerError makes an [Error] of an answer that is no success. The body may
// be anything: a proxy's page, a text, nothing.
func answerError(k call, a *answer) *Error {
	e := &Error{
		Op: k.op, Method: k.method, Path: k.path, Status: a.status,
		RetryAfter: retryAfter(a.header),
		empty:      len(bytes.TrimSpace(a.body)) == 0,
	}
	var body struct {
		Error             json.RawMessage `json:"error"`
		Busy              bool            `json:"busy"`
		NativeSession     bool            `json:"native_session"`
		Restarting        bool            `json:"restarting"`
		Waking            bool            `json:"waking"`
		DeliveryConfirmed *bool           `json:"delivery_confirmed"`
		Status            string          `json:"status"`
		RetryAfter        float64         `json:"retry_after"`
		ExpectedVersion   *int64          `json:"expected_version"`
		CurrentVersion    int64           `json:"current_version"`
	}
	// A key of another type than usual must not hide the others.
	var wrongType *json.UnmarshalTypeError
	if err := json.Unmarshal(a.body, &body); err != nil && (!errors.As(err, &wrongType) || wrongType.Field == "") {
		e.Message = excerpt(a.body)
		return e
	}
	if json.Unmarshal(body.Error, &e.Message) != nil {
		e.Message = excerpt(body.Error)
	}
	e.Message = excerpt([]byte(e.Message))
	e.Busy, e.NativeSession, e.Restarting, e.Waking = body.Busy, body.NativeSession, body.Restarting, body.Waking
	e.DeliveryConfirmed, e.RowStatus = body.DeliveryConfirmed, body.Status
	if body.ExpectedVersion != nil {
		e.CurrentVersion = &body.CurrentVersion
	}
	if e.RetryAfter == 0 && body.RetryAfter > 0 && body.RetryAfter < 1e9 {
		e.RetryAfter = time.Duration(body.RetryAfter+1) * time.Second
	}
	return e
}

// unexpected is the error for a 2xx answer that is not the JSON it should be.
func unexpected(k call, a *answer, err error) error {
	what, hint := "not JSON", "possible wrong base URL or front proxy: set the platform URL to the platform itself"
	if k.op == "SendA2A" {
		hint = "possible agent that does not speak JSON-RPC: look at what it answers"
	}
	if t := strings.TrimSpace(strings.ToLower(string(a.body[:min(len(a.body), 64)]))); strings.HasPrefix(t, "<!doctype") || strings.HasPrefix(t, "<html") {
		what = "an HTML page"
	} else if len(t) == 0 {
		what = "empty"
	} else if json.Valid(a.body) {
		what = "JSON of another shape"
	} else if len(a.body) >= platformCut {
		hint = "possible answer of more than 10 MiB, which the platform cuts off"
	}
	return fmt.Errorf("registry: %s: %s %s: %d: %w: the body is %s (%s): %w", k.op, k.method, k.path, a.status, ErrUnexpectedAnswer, what, hint, err)
}

// callError wraps a failure to get an answer. The URL in net/http's own error
// is replaced by the path: it may carry what its author put there.
func callError(k call, err error) error {
	return fmt.Errorf("registry: %s: %s %s: %w", k.op, k.method, k.path, withoutURL(err))
}

func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// excerpt is the beginning of a text of unknown origin, fit for one line of a
// log.
func excerpt(b []byte) string {
	const most = 200
	s := strings.ToValidUTF8(string(b[:min(len(b), most+utf8.UTFMax)]), "\ufffd")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return strings.TrimSpace(s)
}
