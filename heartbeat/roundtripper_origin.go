package heartbeat

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// setOrigin reads scheme, host and port of the platform's URL. What is wrong
// with it is said without repeating it: it might hold a password.
func (rt *RoundTripper) setOrigin(platformURL string) error {
	u, err := url.Parse(platformURL)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return fmt.Errorf("heartbeat: NewRoundTripper: platform URL: %w", err)
	}
	switch {
	case (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		return fmt.Errorf("heartbeat: NewRoundTripper: platform URL %q needs a scheme and a host, such as http://localhost:8080", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("heartbeat: NewRoundTripper: platform URL %q: remove user name and password, the token goes in their place", u.Redacted())
	}
	rt.scheme, rt.host = u.Scheme, canonicalHost(u.Scheme, u.Host)
	return nil
}

// isPlatform reports whether req goes to the origin the token is for, and was
// not sent there by another one: whoever is redirected to may not choose an
// authenticated call (net/http drops sensitive headers for the same reason and
// does not restore them on the way back, CVE-2024-45336).
func (rt *RoundTripper) isPlatform(req *http.Request) bool {
	if !rt.isOrigin(req) {
		return false
	}
	for from := req.Response; from != nil && from.Request != nil; from = from.Request.Response {
		if !rt.isOrigin(from.Request) {
			return false
		}
	}
	return true
}

// isOrigin reports whether req names the platform's origin. The Host header
// counts too: behind one address may be several servers.
func (rt *RoundTripper) isOrigin(req *http.Request) bool {
	if req.URL == nil {
		return false
	}
	if req.URL.Scheme == rt.scheme && req.URL.Host == rt.host && (req.Host == "" || req.Host == rt.host) {
		return true // as it is written nearly always
	}
	return strings.EqualFold(req.URL.Scheme, rt.scheme) &&
		canonicalHost(rt.scheme, req.URL.Host) == rt.host &&
		(req.Host == "" || canonicalHost(rt.scheme, req.Host) == rt.host)
}

// canonicalHost is host in lower case, without the port that scheme implies.
func canonicalHost(scheme, host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":") // an empty port is the default one, RFC 3986 section 3.2.3
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}
