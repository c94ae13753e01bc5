package registry

import (
	"fmt"
	"net/url"
	"strings"
)

// parseBaseURL reads the platform's base URL, and knows the usual mistakes.
func parseBaseURL(raw string) (*url.URL, error) {
	text := strings.TrimRight(strings.TrimSpace(raw), "/")
	if text == "" {
		return nil, fmt.Errorf("registry: no platform URL: set it to something like http://localhost:8080")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("registry: platform URL: %w", withoutURL(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("registry: platform URL %q: possible missing scheme: write http://%s or https://%[2]s", u.Redacted(), text)
	case u.Host == "":
		return nil, fmt.Errorf("registry: platform URL %q has no host", u.Redacted())
	case u.User != nil:
		return nil, fmt.Errorf("registry: platform URL %q: a user name or password is not used there; remove it", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("registry: platform URL %q: remove the query and the fragment", u.Redacted())
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func checkOrg(id string) error {
	if !visible(id) {
		return fmt.Errorf("registry: organisation id %q cannot stand in a header", id)
	}
	return nil
}

// visible reports whether s has nothing but printable ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// segment escapes an id for use as one element of a path.
func segment(id string) string { return url.PathEscape(strings.ToLower(id)) }
