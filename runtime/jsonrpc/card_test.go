package jsonrpc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

const agentURL = "http://agent.test/a2a"

// fullCard has one of everything a card can have.
func fullCard() *a2a.AgentCard {
	return &a2a.AgentCard{
		Name: "probe", Description: "an <agent> & more", Version: "1.2.3", DocumentationURL: "https://docs.test", IconURL: "https://icon.test",
		Provider:     &a2a.AgentProvider{Org: "org", URL: "https://org.test"},
		Capabilities: a2a.AgentCapabilities{Streaming: true, ExtendedAgentCard: true, Extensions: []a2a.AgentExtension{{URI: "https://e", Params: map[string]any{"n": 1.0}}}},
		SupportedInterfaces: []*a2a.AgentInterface{
			a2a.NewAgentInterface(agentURL, a2a.TransportProtocolJSONRPC),
			a2a.NewAgentInterface("http://agent.test/rest", a2a.TransportProtocolHTTPJSON),
		},
		DefaultInputModes: []string{"text/plain"}, DefaultOutputModes: []string{"text/plain"},
		SecuritySchemes: a2a.NamedSecuritySchemes{
			"bearer": a2a.HTTPAuthSecurityScheme{Scheme: "bearer", BearerFormat: "JWT", Description: "d"},
			"key":    a2a.APIKeySecurityScheme{Location: a2a.APIKeySecuritySchemeLocationHeader, Name: "X-Key", Description: "d"},
			"mtls":   a2a.MutualTLSSecurityScheme{Description: "d"},
			"oidc":   a2a.OpenIDConnectSecurityScheme{OpenIDConnectURL: "https://oidc.test", Description: "d"},
			"oauth": a2a.OAuth2SecurityScheme{
				Description: "d", Oauth2MetadataURL: "https://oauth.test/meta",
				Flows: a2a.ClientCredentialsOAuthFlow{TokenURL: "https://oauth.test", Scopes: map[string]string{"read": "to read"}},
			},
		},
		SecurityRequirements: a2a.SecurityRequirementsOptions{{"bearer": {}}, {"key": {}, "oauth": {"read"}}},
		Skills: []a2a.AgentSkill{
			{ID: "s", Name: "skill", Description: "d", Tags: []string{"t"}, Examples: []string{"e"}, SecurityRequirements: a2a.SecurityRequirementsOptions{{"oauth": {"read"}}}},
			{ID: "bare", Name: "bare", Description: "d"},
		},
	}
}

func newCard(t *testing.T, card *a2a.AgentCard) *jsonrpc.Card {
	t.Helper()
	c, err := jsonrpc.NewCard(card)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheCardParsesIn10Clients(t *testing.T) {
	want := fullCard()
	want.SupportedInterfaces = []*a2a.AgentInterface{
		{URL: agentURL, ProtocolBinding: "JSONRPC", ProtocolVersion: "1.0"},
		{URL: agentURL, ProtocolBinding: "JSONRPC", ProtocolVersion: "0.3"},
		{URL: "http://agent.test/rest", ProtocolBinding: "HTTP+JSON", ProtocolVersion: "1.0"},
	}
	body := newCard(t, fullCard()).JSON()
	var got a2a.AgentCard
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a2a-go 2's parser (-want +got):\n%s", diff)
	}
	compat, err := a2av0.NewAgentCardParser()(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, compat, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a2a-go 2's parser for both versions (-want +got):\n%s", diff)
	}
}

func TestTheCardParsesIn03Clients(t *testing.T) {
	var got legacy.AgentCard
	if err := json.Unmarshal(newCard(t, fullCard()).JSON(), &got); err != nil {
		t.Fatal(err)
	}
	want := legacy.AgentCard{
		Name: "probe", Description: "an <agent> & more", Version: "1.2.3", DocumentationURL: "https://docs.test", IconURL: "https://icon.test",
		URL: agentURL, ProtocolVersion: "0.3.0", PreferredTransport: "JSONRPC", SupportsAuthenticatedExtendedCard: true,
		Provider:          &legacy.AgentProvider{Org: "org", URL: "https://org.test"},
		Capabilities:      legacy.AgentCapabilities{Streaming: true, Extensions: []legacy.AgentExtension{{URI: "https://e", Params: map[string]any{"n": 1.0}}}},
		DefaultInputModes: []string{"text/plain"}, DefaultOutputModes: []string{"text/plain"},
		SecuritySchemes: legacy.NamedSecuritySchemes{
			"bearer": legacy.HTTPAuthSecurityScheme{Scheme: "bearer", BearerFormat: "JWT", Description: "d"},
			"key":    legacy.APIKeySecurityScheme{In: "header", Name: "X-Key", Description: "d"},
			"mtls":   legacy.MutualTLSSecurityScheme{Description: "d"},
			"oidc":   legacy.OpenIDConnectSecurityScheme{OpenIDConnectURL: "https://oidc.test", Description: "d"},
			"oauth": legacy.OAuth2SecurityScheme{
				Description: "d", Oauth2MetadataURL: "https://oauth.test/meta",
				Flows: legacy.OAuthFlows{ClientCredentials: &legacy.ClientCredentialsOAuthFlow{TokenURL: "https://oauth.test", Scopes: map[string]string{"read": "to read"}}},
			},
		},
		Security: []legacy.SecurityRequirements{{"bearer": {}}, {"key": {}, "oauth": {"read"}}},
		Skills: []legacy.AgentSkill{
			{ID: "s", Name: "skill", Description: "d", Tags: []string{"t"}, Examples: []string{"e"}, Security: []legacy.SecurityRequirements{{"oauth": {"read"}}}},
			{ID: "bare", Name: "bare", Description: "d", Tags: []string{}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a2a-go 0.3's parser (-want +got):\n%s", diff)
	}
}

func TestEverySecuritySchemeParsesEverywhere(t *testing.T) {
	scopes := map[string]string{"read": "d"}
	for name, scheme := range map[string]a2a.SecurityScheme{
		"http":        a2a.HTTPAuthSecurityScheme{Scheme: "bearer"},
		"api key":     a2a.APIKeySecurityScheme{Location: "query", Name: "k"},
		"mtls":        a2a.MutualTLSSecurityScheme{},
		"oidc":        a2a.OpenIDConnectSecurityScheme{OpenIDConnectURL: "https://o"},
		"code":        a2a.OAuth2SecurityScheme{Flows: a2a.AuthorizationCodeOAuthFlow{AuthorizationURL: "https://a", TokenURL: "https://t", Scopes: scopes}},
		"credentials": a2a.OAuth2SecurityScheme{Flows: a2a.ClientCredentialsOAuthFlow{TokenURL: "https://t", Scopes: scopes}},
		"implicit":    a2a.OAuth2SecurityScheme{Flows: a2a.ImplicitOAuthFlow{AuthorizationURL: "https://a", Scopes: scopes}},
		"password":    a2a.OAuth2SecurityScheme{Flows: a2a.PasswordOAuthFlow{TokenURL: "https://t", Scopes: scopes}},
		"device, 1.0": a2a.OAuth2SecurityScheme{Flows: a2a.DeviceCodeOAuthFlow{DeviceAuthorizationURL: "https://d", TokenURL: "https://t", Scopes: scopes}},
	} {
		t.Run(name, func(t *testing.T) {
			card := fullCard()
			card.SecuritySchemes = a2a.NamedSecuritySchemes{"x": scheme}
			body := newCard(t, card).JSON()
			var v10 a2a.AgentCard
			if err := json.Unmarshal(body, &v10); err != nil {
				t.Errorf("1.0: %v", err)
			} else if diff := cmp.Diff(card.SecuritySchemes, v10.SecuritySchemes); diff != "" {
				t.Errorf("1.0 (-want +got):\n%s", diff)
			}
			if compat, err := a2av0.NewAgentCardParser()(body); err != nil {
				t.Errorf("both versions: %v", err)
			} else if diff := cmp.Diff(card.SecuritySchemes, compat.SecuritySchemes); diff != "" {
				t.Errorf("both versions (-want +got):\n%s", diff)
			}
			var v03 legacy.AgentCard
			if err := json.Unmarshal(body, &v03); err != nil || v03.SecuritySchemes["x"] == nil {
				t.Errorf("0.3: %v, %v", v03.SecuritySchemes, err)
			}
		})
	}
}

func TestTheCardOffersBothVersions(t *testing.T) {
	entry := func(url, binding, version string) *a2a.AgentInterface {
		return &a2a.AgentInterface{URL: url, ProtocolBinding: a2a.TransportProtocol(binding), ProtocolVersion: a2a.ProtocolVersion(version)}
	}
	for _, c := range []struct {
		name       string
		in         []*a2a.AgentInterface
		want       string
		additional string
	}{
		{"1.0", []*a2a.AgentInterface{entry("http://a", "JSONRPC", "1.0")}, "http://a JSONRPC 1.0, http://a JSONRPC 0.3", ""},
		{"0.3", []*a2a.AgentInterface{entry("http://a", "JSONRPC", "0.3")}, "http://a JSONRPC 1.0, http://a JSONRPC 0.3", ""},
		{"0.3.0", []*a2a.AgentInterface{entry("http://a", "JSONRPC", "0.3.0")}, "http://a JSONRPC 1.0, http://a JSONRPC 0.3.0", ""},
		{"no version", []*a2a.AgentInterface{entry("http://a", "JSONRPC", "")}, "http://a JSONRPC 1.0, http://a JSONRPC 0.3", ""},
		{"both", []*a2a.AgentInterface{entry("http://a", "JSONRPC", "0.3"), nil, entry("http://a", "JSONRPC", "1.0")}, "http://a JSONRPC 0.3, http://a JSONRPC 1.0", ""},
		{
			"others", []*a2a.AgentInterface{entry("http://r", "HTTP+JSON", "0.3"), entry("http://g", "GRPC", "1.0"), entry("http://a", "JSONRPC", "1.0")},
			"http://r HTTP+JSON 0.3, http://g GRPC 1.0, http://a JSONRPC 1.0, http://a JSONRPC 0.3", "http://r HTTP+JSON",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			card := newCard(t, &a2a.AgentCard{Name: "n", SupportedInterfaces: c.in})
			var v10 a2a.AgentCard
			var v03 legacy.AgentCard
			if err := json.Unmarshal(card.JSON(), &v10); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(card.JSON(), &v03); err != nil {
				t.Fatal(err)
			}
			var got, additional []string
			for _, i := range v10.SupportedInterfaces {
				got = append(got, fmt.Sprintf("%s %s %s", i.URL, i.ProtocolBinding, i.ProtocolVersion))
			}
			for _, i := range v03.AdditionalInterfaces {
				additional = append(additional, fmt.Sprintf("%s %s", i.URL, i.Transport))
			}
			if strings.Join(got, ", ") != c.want || strings.Join(additional, ", ") != c.additional || v03.URL != "http://a" || v03.PreferredTransport != "JSONRPC" {
				t.Errorf("got %s, in 0.3 %s and %s; want %s", strings.Join(got, ", "), v03.URL, additional, c.want)
			}
		})
	}
}

func TestACardThatCannotBeServedIsRefused(t *testing.T) {
	for name, card := range map[string]*a2a.AgentCard{
		"nil":           nil,
		"no interface":  {Name: "n"},
		"no JSON-RPC":   {Name: "n", SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface("http://a", a2a.TransportProtocolGRPC)}},
		"no URL":        {Name: "n", SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface("", a2a.TransportProtocolJSONRPC)}},
		"a relative":    {Name: "n", SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface("/a2a", a2a.TransportProtocolJSONRPC)}},
		"no scheme":     {Name: "n", SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface("agent:8000", a2a.TransportProtocolJSONRPC)}},
		"not encodable": {Name: "n", SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface("http://a", a2a.TransportProtocolJSONRPC)}, SecuritySchemes: a2a.NamedSecuritySchemes{"x": nil}},
	} {
		c, err := jsonrpc.NewCard(card)
		if err == nil || c != nil || !strings.HasPrefix(err.Error(), "jsonrpc: ") {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
	c := newCard(t, fullCard())
	before := string(c.JSON())
	if err := c.Set(nil); err == nil || string(c.JSON()) != before {
		t.Errorf("after a bad Set (%v) the card is another one", err)
	}
}

func TestTheCardOverHTTP(t *testing.T) {
	c := newCard(t, fullCard())
	got := request(t, c, http.MethodGet, "/", "")
	etag := got.header.Get("ETag")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" || got.body != string(c.JSON()) || !strings.HasPrefix(etag, `"`) || got.header.Get("Cache-Control") == "" {
		t.Errorf("GET: status %d, header %v", got.status, got.header)
	}
	head := request(t, c, http.MethodHead, "/", "")
	if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(got.body)) || head.header.Get("ETag") != etag {
		t.Errorf("HEAD: status %d, header %v, body %q", head.status, head.header, head.body)
	}
	for _, c := range []struct{ header, want string }{
		{etag, "304"}, {"W/" + etag, "304"}, {`"other", ` + etag, "304"}, {"*", "304"}, {`"other"`, "200"}, {"", "200"}, {strings.Trim(etag, `"`), "200"},
	} {
		got := request(t, newCard(t, fullCard()), http.MethodGet, "/", "", "If-None-Match", c.header)
		if fmt.Sprint(got.status) != c.want || (got.status == 304) != (got.body == "") || got.header.Get("ETag") != etag {
			t.Errorf("If-None-Match %q: status %d, body %.20q, ETag %s", c.header, got.status, got.body, got.header.Get("ETag"))
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if got := request(t, c, method, "/", ""); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, got.status, got.header.Get("Allow"))
		}
	}
}

func TestTheCardReflectsNoOrigin(t *testing.T) {
	got := request(t, newCard(t, fullCard()), http.MethodGet, "/", "", "Origin", "http://evil.test")
	for name := range got.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("the answer has %s: %s", name, got.header.Get(name))
		}
	}
}

func TestTheCardIsRebuiltWhenItIsSet(t *testing.T) {
	c := newCard(t, fullCard())
	before := request(t, c, http.MethodGet, "/", "")
	changed := fullCard()
	changed.Skills = append(changed.Skills, a2a.AgentSkill{ID: "new", Name: "new"})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 200 {
				if body := c.JSON(); !json.Valid(body) {
					t.Errorf("torn: %.100s", body)
				}
			}
		})
	}
	for i := range 100 {
		if err := c.Set([]*a2a.AgentCard{fullCard(), changed}[i%2]); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
	after := request(t, c, http.MethodGet, "/", "", "If-None-Match", before.header.Get("ETag"))
	if after.status != http.StatusOK || after.header.Get("ETag") == before.header.Get("ETag") || !strings.Contains(after.body, `"new"`) {
		t.Errorf("status %d, ETag %s as before", after.status, after.header.Get("ETag"))
	}
}

func TestTheCallersCardIsNotChanged(t *testing.T) {
	card := fullCard()
	newCard(t, card)
	if diff := cmp.Diff(fullCard(), card); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
