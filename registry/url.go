package registry

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// parseBaseURL reads the platform's base URL, and knows the usual mistakes.
func parseBaseURL(raw string) (*url.URL, error) {
	text := strings.TrimRight(strings.TrimSpace(raw), "/")
	if text == "" {
		return nil, fmt.Errorf("registry: no platform URL: set it to something like http://localhost:8080")
	}
	scheme, rest, found := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); !found || (scheme != "http" && scheme != "https") {
		if !found {
			rest = text
		}
		rest = withoutSecrets(rest)
		return nil, fmt.Errorf("registry: platform URL %q: possible missing or wrong scheme: write http://%s or https://%[2]s", withoutSecrets(text), rest)
	}
	u, err := url.Parse(text)
	if err != nil {
		// url.Parse quotes what it stumbled over, which may be a password.
		return nil, fmt.Errorf("registry: platform URL %q cannot be read: write it like http://localhost:8080", withoutSecrets(text))
	}
	switch {
	case u.Hostname() == "":
		return nil, fmt.Errorf("registry: platform URL %q has no host: write it like http://localhost:8080", withoutSecrets(text))
	case u.User != nil:
		return nil, fmt.Errorf("registry: platform URL %q: a user name or password is not used there; remove it", withoutSecrets(text))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("registry: platform URL %q: remove the query and the fragment", withoutSecrets(text))
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// withoutSecrets leaves out of a URL, well-formed or not, where people put
// secrets: what stands before the last @, and from the query on.
func withoutSecrets(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	at, query := strings.LastIndexByte(rest, '@'), strings.IndexAny(rest, "?#")
	switch {
	case query >= 0 && at > query: // which of the two is it?
		rest = "..."
	case query >= 0:
		rest = rest[at+1 : query]
	default:
		rest = rest[at+1:]
	}
	if found && !strings.ContainsAny(scheme, "@?#") {
		return scheme + "://" + rest
	}
	return rest
}

// origin is scheme, host and port of a URL, spelt one way.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func checkOrg(id string) error {
	if !visible(id) {
		return fmt.Errorf("registry: organisation id %q cannot stand in a header: use the id as the platform's operator gave it", id)
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
func segment(id string) string { return escape(strings.ToLower(id)) }

// escape is segment for what is no id and keeps its case.
func escape(text string) string { return url.PathEscape(text) }

// own is a path below this workspace.
func (c *Client) own(path string) string { return "/workspaces/" + c.workspace + path }

// checkSegment refuses what cannot stand as one element of a path: the platform
// does not match an escaped slash.
func checkSegment(what, text string) error {
	if text == "" || text == "." || text == ".." || strings.ContainsAny(text, "/\x00") {
		return fmt.Errorf("%s %q cannot be part of an address: use one that is neither empty nor a path", what, excerpt([]byte(text)))
	}
	return nil
}

// checkUUID refuses what the platform answers with a 500.
func checkUUID(what, id string) error {
	if !isUUID(strings.ToLower(id)) {
		return fmt.Errorf("%s %q: use the UUID that the platform gave it", what, excerpt([]byte(id)))
	}
	return nil
}

// isUUID reports whether id is one in lower case, as the platform's database
// writes them.
func isUUID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return len(id) == 36
}

// checkID refuses what would lead to another path than the one meant.
func checkID(id string) error {
	if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/?#%") || !visible(id) {
		return fmt.Errorf("workspace id %q: use the UUID the platform knows the workspace by", excerpt([]byte(id)))
	}
	return nil
}

// query is a query string of pairs, without those that are empty; "" when all
// are.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// count is n for a query, "" for 0.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
