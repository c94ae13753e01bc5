package heartbeat

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// failure is the kind of a failed call. What the Loop does next depends on
// nothing else.
type failure int

const (
	unreachable  failure = iota // no answer: refused, reset, timed out
	unavailable                 // 5xx, or an answer that is not the platform's
	limited                     // 429
	unauthorized                // 401: a question about the token, not a verdict
	refused                     // any other status: the platform understood and declined
	failureKinds
)

// String returns the kind as it stands in logs.
func (f failure) String() string {
	return [...]string{"unreachable", "unavailable", "rate limited", "unauthorized", "refused"}[f]
}

// passing says that the same call can succeed later without anybody's doing.
func (f failure) passing() bool { return f <= limited }

// classify returns the kind of err, which is not nil, and how long the platform
// asked to wait.
func classify(err error) (kind failure, retryAfter time.Duration) {
	if errors.Is(err, registry.ErrUnexpectedAnswer) {
		// A front proxy's page, or half an answer: whoever spoke, it was not
		// the platform.
		return unavailable, 0
	}
	var e *registry.Error
	if !errors.As(err, &e) {
		return unreachable, 0
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		return unauthorized, 0
	case e.Status == http.StatusTooManyRequests:
		return limited, e.RetryAfter
	case e.Status >= http.StatusInternalServerError:
		return unavailable, e.RetryAfter
	default:
		return refused, 0
	}
}

// noSuchWorkspace says that the platform does not know the workspace. Not every
// 404 does: a front proxy's page, a wrong base URL and a missing organisation id
// are 404 as well, and none of them may end a life.
func noSuchWorkspace(err error) bool {
	var e *registry.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == http.StatusGone ||
		e.Status == http.StatusNotFound && strings.Contains(strings.ToLower(e.Message), "workspace not found")
}

// timedOut says that err is a call's deadline.
func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// remedy says what an operator can do about heartbeats that keep failing.
func remedy(kind failure, err error) string {
	switch {
	case kind == unreachable:
		return "check that the platform's URL is right and that the platform is up and can be reached from here"
	case errors.Is(err, registry.ErrUnexpectedAnswer):
		return "something else than the platform answers: check the platform's URL and the proxies in front of it"
	case kind == unavailable:
		return "the platform is in trouble: look at its log and its database"
	case kind == limited:
		return "too many calls come from this address: raise the platform's rate limit or run fewer workspaces behind one address"
	case errors.Is(err, registry.ErrTenantMismatch):
		return "the platform is a hosted one and expects an organisation id: set MOLECULE_ORG_ID"
	default:
		return "the platform declines the call itself: compare the versions of platform and runtime"
	}
}
