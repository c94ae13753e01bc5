package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// How much of a refused answer is read, and for how long, so that its
// connection can be used again. Beyond that a new connection is cheaper, and an
// endless answer must not hold up the repeat.
const (
	drainLimit = 4 << 10
	drainTime  = time.Second
)

// again decides what becomes of a 401: one more try with another token, or the
// 401 itself.
func (rt *RoundTripper) again(req *http.Request, resp *http.Response, used []string) (*http.Response, error) {
	ctx := req.Context()
	fresh, err := rt.refresh(ctx, resp, used)
	rt.refreshed(ctx, fresh, err)
	if err != nil {
		closeBody(resp.Body)
		return nil, err
	}
	if fresh == nil {
		rt.reject()
		return resp, nil
	}
	if ctx.Err() != nil {
		discard(resp)
		return nil, context.Cause(ctx) // as net/http says it
	}
	second := authorized(req, fresh)
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			rt.log.DebugContext(ctx, "401: token refreshed, but the body cannot be sent again", "method", req.Method, "path", req.URL.Path)
			return resp, nil
		}
		if second.Body, err = req.GetBody(); err != nil {
			rt.log.DebugContext(ctx, "401: token refreshed, but the body cannot be sent again", "method", req.Method, "path", req.URL.Path, "error", err)
			return resp, nil
		}
	}
	discard(resp)
	resent(ctx)
	rt.log.DebugContext(ctx, "401: token refreshed, trying once more", "method", req.Method, "path", req.URL.Path)
	resp, err = rt.base.RoundTrip(second)
	if err != nil {
		return nil, err
	}
	resp.Request = req
	if resp.StatusCode == http.StatusUnauthorized {
		rt.reject()
	}
	return resp, nil
}

// refresh returns a token other than used, or nil when there is none, also
// after the grace period. The error is that of a context that ended while
// waiting.
func (rt *RoundTripper) refresh(ctx context.Context, resp *http.Response, used []string) ([]string, error) {
	if rt.grace <= 0 {
		return rt.look(ctx, used), nil
	}
	changed := rt.changes.Changed() // before the look, or a change in between is lost
	if fresh := rt.look(ctx, used); fresh != nil {
		return fresh, nil
	}
	detach(resp)
	timer := time.NewTimer(rt.grace)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				rt.reject() // the platform did refuse, and the caller cannot be told better
			}
			return nil, &graceError{context.Cause(ctx)}
		case <-timer.C:
			return rt.look(ctx, used), nil // for a token that nobody watches
		case <-changed:
			changed = rt.changes.Changed()
			if fresh := rt.look(ctx, used); fresh != nil {
				return fresh, nil
			}
		}
	}
}

// look asks the source for another token than used and returns nil when it has
// none. A source that fails is not worth more to the caller than the 401.
func (rt *RoundTripper) look(ctx context.Context, used []string) []string {
	fresh, err := rt.tokens.RefreshAuthorization(used)
	if err != nil {
		rt.log.DebugContext(ctx, "401: token not refreshed", "error", err)
		return nil
	}
	if len(fresh) == 0 || (len(used) > 0 && fresh[0] == used[0]) {
		return nil
	}
	return fresh
}

// graceError is the end of a call whose context ended during the grace period.
type graceError struct{ cause error }

func (e *graceError) Error() string {
	return fmt.Sprintf("heartbeat: answered 401, and the token did not change in time: %v", e.cause)
}

func (e *graceError) Unwrap() error { return e.cause }

// Timeout is what [url.Error] asks.
func (e *graceError) Timeout() bool { return errors.Is(e.cause, context.DeadlineExceeded) }

// discard lets go of an answer so that its connection can carry the next
// request.
func discard(resp *http.Response) {
	_, _ = head(resp.Body)
	closeBody(resp.Body)
}

// detach reads an answer that must wait into memory, so that it does not keep a
// connection from others: with a limit on connections, from the very call that
// would bring the new token. What does not fit stays where it is.
func detach(resp *http.Response) {
	body := resp.Body
	start, whole := head(body)
	if whole {
		closeBody(body)
		resp.Body = io.NopCloser(bytes.NewReader(start))
		return
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), body), body}
}

// head reads the beginning of body and reports whether that is all of it.
func head(body io.ReadCloser) (start []byte, whole bool) {
	if body == nil || body == http.NoBody {
		return nil, true
	}
	stop := time.AfterFunc(drainTime, func() { _ = body.Close() })
	defer stop.Stop()
	start, err := io.ReadAll(io.LimitReader(body, drainLimit+1))
	return start, err == nil && len(start) <= drainLimit
}
