package jsonrpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Card serves an agent card that clients of A2A 1.0 and 0.3 both read. Make it
// with [NewCard] and mount it at /.well-known/agent-card.json, and at
// /.well-known/agent.json for clients older than that name. It is safe for
// concurrent use.
type Card struct {
	current atomic.Pointer[rendered]
}

type rendered struct {
	body []byte
	etag string
}

// NewCard makes a Card.
func NewCard(card *a2a.AgentCard) (*Card, error) {
	c := new(Card)
	if err := c.Set(card); err != nil {
		return nil, err
	}
	return c, nil
}

// Set replaces the card, for those who ask from now on; when it fails, the card
// stays what it was. It must name at least one JSON-RPC interface by its whole
// URL. Each is offered in both versions, since both are spoken on one URL; the
// URL of the first is the agent's address in 0.3.
//
// securityRequirements have the form that a2a-go reads and writes,
// {"schemes":{"name":[]}}. ProtoJSON wants {"list":[]} there, which a2a-go does
// not read (a2aproject/a2a-go issue 430): no one form is for all clients of 1.0.
func (c *Card) Set(card *a2a.AgentCard) error {
	body, err := renderCard(card)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	c.current.Store(&rendered{body: body, etag: `"` + hex.EncodeToString(sum[:8]) + `"`})
	return nil
}

// JSON is the card as it is served. It must not be written to.
func (c *Card) JSON() json.RawMessage { return c.current.Load().body }

// ServeHTTP answers GET and HEAD, and 304 when the caller has this card already.
func (c *Card) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "send a GET request", http.StatusMethodNotAllowed)
		return
	}
	now := c.current.Load()
	head := w.Header()
	head.Set("ETag", now.etag)
	head.Set("Cache-Control", "no-cache") // keep it, but ask: skills come and go
	if matches(r.Header.Get("If-None-Match"), now.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", "application/json")
	head.Set("Content-Length", strconv.Itoa(len(now.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(now.body)
	}
}

// matches is If-None-Match (RFC 9110 section 13.1.2), weakly compared.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

// renderCard makes one document of the card's two forms. Where they differ a
// name, each client finds its own and ignores the other's.
func renderCard(card *a2a.AgentCard) (json.RawMessage, error) {
	if card == nil {
		return nil, errors.New("jsonrpc: the agent card is nil")
	}
	full := *card
	full.SupportedInterfaces = bothVersions(card.SupportedInterfaces)
	address, err := addressOf(full.SupportedInterfaces)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(&full)
	if err != nil {
		return nil, fmt.Errorf("jsonrpc: agent card: %w", err)
	}
	// Numbers are kept as they are written.
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var doc map[string]any
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("jsonrpc: agent card: %w", err)
	}
	doc["url"] = address
	doc["protocolVersion"] = "0.3.0"
	doc["preferredTransport"] = string(a2a.TransportProtocolJSONRPC)
	if others := additional03(full.SupportedInterfaces); len(others) > 0 {
		doc["additionalInterfaces"] = others
	}
	if card.Capabilities.ExtendedAgentCard {
		doc["supportsAuthenticatedExtendedCard"] = true
	}
	for _, list := range []string{"skills", "defaultInputModes", "defaultOutputModes"} {
		if doc[list] == nil {
			doc[list] = []any{} // required in 0.3
		}
	}
	if skills, ok := doc["skills"].([]any); ok {
		for i, s := range skills {
			skill, ok := s.(map[string]any)
			if !ok {
				continue
			}
			if skill["tags"] == nil {
				skill["tags"] = []any{}
			}
			if security := security03(card.Skills[i].SecurityRequirements); len(security) > 0 {
				skill["security"] = security
			}
		}
	}
	if schemes, ok := doc["securitySchemes"].(map[string]any); ok {
		for _, s := range schemes {
			if scheme, ok := s.(map[string]any); ok {
				flatten(scheme)
			}
		}
	}
	if security := security03(card.SecurityRequirements); len(security) > 0 {
		doc["security"] = security
	}
	return json.Marshal(doc)
}

// addressOf is where JSON-RPC is spoken.
func addressOf(interfaces []*a2a.AgentInterface) (string, error) {
	for _, i := range interfaces {
		if i.ProtocolBinding != a2a.TransportProtocolJSONRPC {
			continue
		}
		u, err := url.Parse(i.URL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return "", fmt.Errorf("jsonrpc: the agent card has the JSON-RPC interface %.100q: give its whole URL, such as http://host:8000/", i.URL)
		}
		return i.URL, nil
	}
	return "", errors.New("jsonrpc: the agent card names no JSON-RPC interface in SupportedInterfaces")
}

// bothVersions offers every JSON-RPC interface in both versions: that is what
// is served there.
func bothVersions(in []*a2a.AgentInterface) []*a2a.AgentInterface {
	type key struct {
		url string
		d   dialect
	}
	have := map[key]bool{}
	for _, i := range in {
		if i != nil && i.ProtocolBinding == a2a.TransportProtocolJSONRPC && i.ProtocolVersion != "" {
			have[key{i.URL, spoken(i)}] = true
		}
	}
	var out []*a2a.AgentInterface
	offer := func(i *a2a.AgentInterface, d dialect, version a2a.ProtocolVersion) {
		if have[key{i.URL, d}] {
			return
		}
		have[key{i.URL, d}] = true
		other := *i
		other.ProtocolVersion = version
		out = append(out, &other)
	}
	for _, i := range in {
		switch {
		case i == nil:
		case i.ProtocolBinding != a2a.TransportProtocolJSONRPC:
			out = append(out, i)
		default:
			offer(i, v10, a2a.Version)
			if i.ProtocolVersion != "" {
				out = append(out, i)
			}
			offer(i, v03, "0.3")
		}
	}
	return out
}

// spoken is the version of an interface.
func spoken(i *a2a.AgentInterface) dialect {
	if i.ProtocolVersion == "0.3" || strings.HasPrefix(string(i.ProtocolVersion), "0.3.") {
		return v03
	}
	return v10
}

type interface03 struct {
	Transport a2a.TransportProtocol `json:"transport"`
	URL       string                `json:"url"`
}

// additional03 are the interfaces of version 0.3 beside JSON-RPC.
func additional03(in []*a2a.AgentInterface) []interface03 {
	var out []interface03
	for _, i := range in {
		if i.ProtocolBinding != a2a.TransportProtocolJSONRPC && spoken(i) == v03 {
			out = append(out, interface03{Transport: i.ProtocolBinding, URL: i.URL})
		}
	}
	return out
}

// flatten adds 0.3's form of a security scheme to 1.0's: 1.0 wraps the scheme
// in a key that names its type, 0.3 has a "type" beside the rest.
func flatten(scheme map[string]any) {
	for key, kind := range map[string]string{
		"apiKeySecurityScheme":        "apiKey",
		"httpAuthSecurityScheme":      "http",
		"oauth2SecurityScheme":        "oauth2",
		"openIdConnectSecurityScheme": "openIdConnect",
		"mtlsSecurityScheme":          "mutualTLS",
	} {
		inner, ok := scheme[key].(map[string]any)
		if !ok {
			continue
		}
		for name, value := range inner {
			if kind == "apiKey" && name == "location" {
				name = "in"
			}
			scheme[name] = value
		}
		scheme["type"] = kind
		return
	}
}

func security03(in a2a.SecurityRequirementsOptions) []map[string][]string {
	var out []map[string][]string
	for _, alternative := range in {
		one := map[string][]string{}
		for name, scopes := range alternative {
			one[string(name)] = append([]string{}, scopes...)
		}
		out = append(out, one)
	}
	return out
}
