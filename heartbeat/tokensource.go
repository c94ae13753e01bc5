package heartbeat

// TokenSource is where a [RoundTripper] gets the workspace's bearer token, in
// the form in which it is sent. *platformauth.Store is one.
//
// Both methods are called once per request on many goroutines and must be safe
// for that and quick: Authorization is on the path of every call.
type TokenSource interface {
	// Authorization returns the finished values of the Authorization header,
	// such as {"Bearer x"}. nil without an error means that there is no token:
	// the request goes out without one, which is how a workspace registers for
	// the first time. The slice is not written to.
	Authorization() ([]string, error)

	// RefreshAuthorization returns the values to use instead of stale, which
	// the platform has refused. It goes back to the origin of the token (the
	// file) unless what it holds is another value than stale already. It
	// returns stale's value when there is nothing newer, nil when there is no
	// token any more.
	RefreshAuthorization(stale []string) ([]string, error)
}

// changer is a TokenSource that can tell when its token changes; the grace
// period needs it.
type changer interface{ Changed() <-chan struct{} }
