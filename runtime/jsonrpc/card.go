package jsonrpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

// Set replaces the card. It must name at least one JSON-RPC interface; that of
// version 1.0 is offered in 0.3 as well, since both live on one URL.
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
	var url string
	for _, i := range full.SupportedInterfaces {
		if i.ProtocolBinding == a2a.TransportProtocolJSONRPC {
			url = i.URL
			break
		}
	}
	if url == "" {
		return nil, errors.New("jsonrpc: the agent card names no JSON-RPC interface in SupportedInterfaces")
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
	doc["url"] = url
	doc["protocolVersion"] = "0.3.0"
	doc["preferredTransport"] = string(a2a.TransportProtocolJSONRPC)
	for _, list := range []string{"skills", "defaultInputModes", "defaultOutputModes"} {
		if doc[list] == nil {
			doc[list] = []any{} // required in 0.3
		}
	}
	if skills, ok := doc["skills"].([]any); ok {
		for _, s := range skills {
			if skill, ok := s.(map[string]any); ok && skill["tags"] == nil {
				skill["tags"] = []any{}
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

// bothVersions offers every JSON-RPC interface in both versions.
func bothVersions(in []*a2a.AgentInterface) []*a2a.AgentInterface {
	type key struct{ url, version string }
	have := map[key]bool{}
	for _, i := range in {
		if i != nil && i.ProtocolBinding == a2a.TransportProtocolJSONRPC {
			have[key{i.URL, string(i.ProtocolVersion)}] = true
		}
	}
	var out []*a2a.AgentInterface
	for _, i := range in {
		if i == nil {
			continue
		}
		out = append(out, i)
		if i.ProtocolBinding == a2a.TransportProtocolJSONRPC && i.ProtocolVersion != "0.3" && !have[key{i.URL, "0.3"}] {
			older := *i
			older.ProtocolVersion = "0.3"
			out = append(out, &older)
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
