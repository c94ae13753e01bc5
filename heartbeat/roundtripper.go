package heartbeat

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"
)

// RoundTripper is an [http.RoundTripper] that sends the workspace's token with
// every request to the platform and repairs one that was rotated: on a 401 it
// refreshes the token and, if that made it another one, sends the request once
// more. It never does so twice, and whatever the second answer is, the caller
// gets it.
//
// Make it with [NewRoundTripper] and put it into any [http.Client]. It is safe
// for concurrent use, never changes the caller's request, and sends no token
// to any other origin (scheme, host and port) than the platform's: redirects
// pass through it hop by hop, and a hop back from another origin is not trusted
// either. A request that carries an Authorization header of its own, be it an
// empty one, is left alone. A 403 means something else and refreshes nothing.
//
// A body is sent again only if the request has GetBody, as [http.NewRequest]
// gives it for bytes and strings; without it the caller gets the 401, and the
// next call has the fresh token.
type RoundTripper struct {
	base     http.RoundTripper
	tokens   TokenSource
	changes  changer // tokens, if it has that method
	scheme   string
	host     string // with the port, unless it is the scheme's own
	grace    time.Duration
	log      *slog.Logger
	rejected chan struct{}

	refreshes refreshes
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
// has a method Changed() <-chan struct{}, and something that watches the file,
// such as platformauth.Store.Watch; without that the wait ends with one more
// look at it. Default: zero, no waiting.
//
// A context that ends during the wait ends the call with an error that wraps
// the context's and tells of the 401, so give calls more time than d.
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
	if fault := rt.setOrigin(platformURL); fault != nil {
		faults = append(faults, fault)
	}
	if rt.grace < 0 {
		faults = append(faults, fmt.Errorf("heartbeat: NewRoundTripper: grace is %v; use zero for none", rt.grace))
	}
	rt.changes, _ = tokens.(changer)
	if rt.grace > 0 && tokens != nil && rt.changes == nil {
		faults = append(faults, fmt.Errorf("heartbeat: NewRoundTripper: a grace of %v needs a token source with a method Changed() <-chan struct{}", rt.grace))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return rt, nil
}

// RoundTrip implements [http.RoundTripper].
func (rt *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, own := req.Header["Authorization"]; own || !rt.isPlatform(req) {
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

// Rejected receives when a call to the platform stayed 401 and refreshing the
// token did not help, or not before the call's deadline. It holds one value, so
// any number of such calls between two looks are one. It is meant for one
// [Loop].
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

func closeBody(body io.Closer) {
	if body != nil {
		_ = body.Close()
	}
}
