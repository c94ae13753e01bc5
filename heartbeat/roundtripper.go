package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// drainLimit is how much of a refused answer is read so that its connection
// can be used again. More than this costs more than a new connection.
const drainLimit = 4 << 10

// RoundTripper is an [http.RoundTripper] that sends the workspace's token with
// every request to the platform and repairs one that was rotated: on a 401 it
// refreshes the token and, if that made it another one, sends the request once
// more. It never does so twice, and whatever the second answer is, the caller
// gets it.
//
// Make it with [NewRoundTripper] and put it into any [http.Client]. It is safe
// for concurrent use, never changes the caller's request, and sends no token
// to any other origin (scheme, host and port) than the platform's: redirects
// pass through it hop by hop. A request that carries an Authorization header of
// its own is left alone. A 403 means something else and refreshes nothing.
type RoundTripper struct {
	base     http.RoundTripper
	tokens   TokenSource
	scheme   string
	host     string // with the port, unless it is the scheme's own
	grace    time.Duration
	log      *slog.Logger
	rejected chan struct{}
}

// RoundTripperOption changes what [NewRoundTripper] makes.
type RoundTripperOption interface{ apply(*RoundTripper) }

type roundTripperOption func(*RoundTripper)

func (f roundTripperOption) apply(rt *RoundTripper) { f(rt) }

// WithBase sets the transport that sends the requests. Default:
// [http.DefaultTransport].
func WithBase(base http.RoundTripper) RoundTripperOption {
	return roundTripperOption(func(rt *RoundTripper) {
		if base != nil {
			rt.base = base
		}
	})
}

// WithGrace makes a refused call wait up to d, on its own context, for the
// token to change before it gives up, so that a token file which lags behind
// the platform's database does not show. It needs a [TokenSource] that also
// has a method Changed() <-chan struct{}, and something that watches the file.
// Default: zero, no waiting.
func WithGrace(d time.Duration) RoundTripperOption {
	return roundTripperOption(func(rt *RoundTripper) { rt.grace = d })
}

// WithRoundTripperLogger sets where refreshes are told, at debug level.
// Default: nowhere.
func WithRoundTripperLogger(l *slog.Logger) RoundTripperOption {
	return roundTripperOption(func(rt *RoundTripper) {
		if l != nil {
			rt.log = l
		}
	})
}

// NewRoundTripper makes a RoundTripper for the platform at platformURL, of
// which only scheme, host and port count. It reports everything that is wrong
// at once.
func NewRoundTripper(platformURL string, tokens TokenSource, opts ...RoundTripperOption) (*RoundTripper, error) {
	rt := &RoundTripper{
		base:     http.DefaultTransport,
		tokens:   tokens,
		log:      slog.New(slog.DiscardHandler),
		rejected: make(chan struct{}, 1),
	}
	for _, o := range opts {
		o.apply(rt)
	}
	var faults []error
	if tokens == nil {
		faults = append(faults, errors.New("heartbeat: NewRoundTripper: tokens is nil; give it a *platformauth.Store"))
	}
	u, err := url.Parse(platformURL)
	switch {
	case err != nil:
		faults = append(faults, fmt.Errorf("heartbeat: NewRoundTripper: platform URL: %w", err))
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		faults = append(faults, fmt.Errorf("heartbeat: NewRoundTripper: platform URL %q needs a scheme and a host, such as http://localhost:8080", u.Redacted()))
	default:
		rt.scheme, rt.host = u.Scheme, canonicalHost(u.Scheme, u.Host)
	}
	if rt.grace < 0 {
		faults = append(faults, fmt.Errorf("heartbeat: NewRoundTripper: grace is %v; use zero for none", rt.grace))
	}
	if _, ok := tokens.(changer); rt.grace > 0 && tokens != nil && !ok {
		faults = append(faults, fmt.Errorf("heartbeat: NewRoundTripper: a grace of %v needs a token source with a method Changed() <-chan struct{}", rt.grace))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return rt, nil
}

// RoundTrip implements [http.RoundTripper].
func (rt *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if !rt.isPlatform(req) || req.Header["Authorization"] != nil {
		return rt.base.RoundTrip(req)
	}
	used, err := rt.tokens.Authorization()
	if err != nil {
		closeBody(req.Body) // the contract of http.RoundTripper
		return nil, fmt.Errorf("heartbeat: token for %s %s: %w", req.Method, req.URL.Path, err)
	}
	resp, err := rt.base.RoundTrip(authorized(req, used))
	if err != nil {
		return nil, err
	}
	resp.Request = req // not the copy: it holds the token
	if resp.StatusCode != http.StatusUnauthorized {
		return resp, nil
	}
	return rt.again(req, resp, used)
}

// again decides what becomes of a 401: one more try with another token, or the
// 401 itself.
func (rt *RoundTripper) again(req *http.Request, resp *http.Response, used []string) (*http.Response, error) {
	fresh, err := rt.refresh(req.Context(), used)
	if err != nil {
		discard(resp)
		return nil, err
	}
	if fresh == nil {
		rt.reject()
		return resp, nil
	}
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		rt.log.DebugContext(req.Context(), "401: token refreshed, but the body cannot be sent again", "path", req.URL.Path)
		return resp, nil
	}
	discard(resp)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	second := authorized(req, fresh)
	if req.GetBody != nil {
		if second.Body, err = req.GetBody(); err != nil {
			return nil, fmt.Errorf("heartbeat: rewind the body of %s %s: %w", req.Method, req.URL.Path, err)
		}
	}
	rt.log.DebugContext(req.Context(), "401: token refreshed, trying once more", "path", req.URL.Path)
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
// waiting: a refresh that fails is not worth more to the caller than the 401.
func (rt *RoundTripper) refresh(ctx context.Context, used []string) ([]string, error) {
	var changed <-chan struct{}
	if rt.grace > 0 {
		changed = rt.tokens.(changer).Changed() // before the look, or a change in between is lost
	}
	fresh, err := rt.tokens.RefreshAuthorization(used)
	if err != nil {
		rt.log.DebugContext(ctx, "401: token not refreshed", "error", err)
	} else if another(fresh, used) {
		return fresh, nil
	}
	if rt.grace <= 0 {
		return nil, nil
	}
	timer := time.NewTimer(rt.grace)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, nil
		case <-changed:
			changed = rt.tokens.(changer).Changed()
			if fresh, err := rt.tokens.Authorization(); err == nil && another(fresh, used) {
				return fresh, nil
			}
		}
	}
}

// Rejected receives when a call to the platform was answered 401 and refreshing
// the token did not help. It holds one value, so any number of such calls
// between two looks are one. It is meant for one [Loop].
func (rt *RoundTripper) Rejected() <-chan struct{} { return rt.rejected }

func (rt *RoundTripper) reject() {
	select {
	case rt.rejected <- struct{}{}:
	default:
	}
}

// Unwrap returns the transport below.
func (rt *RoundTripper) Unwrap() http.RoundTripper { return rt.base }

// CloseIdleConnections closes those of the transport below, if it can.
func (rt *RoundTripper) CloseIdleConnections() {
	if c, ok := rt.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// isPlatform reports whether req goes to the origin the token is for. The Host
// header counts too: behind one address may be several servers.
func (rt *RoundTripper) isPlatform(req *http.Request) bool {
	if req.URL == nil {
		return false
	}
	if req.URL.Scheme == rt.scheme && req.URL.Host == rt.host && (req.Host == "" || req.Host == rt.host) {
		return true // as it is written nearly always
	}
	return strings.ToLower(req.URL.Scheme) == rt.scheme &&
		canonicalHost(rt.scheme, req.URL.Host) == rt.host &&
		(req.Host == "" || canonicalHost(rt.scheme, req.Host) == rt.host)
}

// canonicalHost is host in lower case, without the port that scheme implies.
func canonicalHost(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// authorized is a shallow copy of req with its own header map, and in it value
// as Authorization. The values in the map are shared: nobody may write them.
func authorized(req *http.Request, value []string) *http.Request {
	out := new(http.Request)
	*out = *req
	if len(req.Header) >= 8 {
		// A clone would be sized to its content and grow at the next entry.
		out.Header = make(http.Header, len(req.Header)+1)
		maps.Copy(out.Header, req.Header)
	} else if out.Header = maps.Clone(req.Header); out.Header == nil {
		out.Header = make(http.Header, 1)
	}
	if value != nil {
		out.Header["Authorization"] = value
	}
	return out
}

// another reports whether fresh is a token, and not used.
func another(fresh, used []string) bool {
	return len(fresh) > 0 && (len(used) == 0 || fresh[0] != used[0])
}

// discard reads what little an error answer holds and closes it, so that its
// connection can carry the next request.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, drainLimit)
	closeBody(resp.Body)
}

func closeBody(body io.Closer) {
	if body != nil {
		_ = body.Close()
	}
}
