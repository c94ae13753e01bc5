package platformauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

func TestATokenIsNeverPrinted(t *testing.T) {
	const secret = "s3cr3t-s3cr3t-s3cr3t"
	token := platformauth.Token(secret)
	holder := struct {
		Token platformauth.Token
		P     *platformauth.Token
	}{token, &token}

	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
		shown = append(shown, fmt.Sprintf(verb, token), fmt.Sprintf(verb, &token), fmt.Sprintf(verb, []platformauth.Token{token}))
		if verb != "%d" { // prints the address of P
			shown = append(shown, fmt.Sprintf(verb, holder))
		}
	}
	for _, v := range []any{token, holder, map[string]platformauth.Token{"k": token}} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(raw))
	}
	var text, jsonText bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&jsonText, nil)} {
		slog.New(h).Info("x", "token", token, "holder", holder, "list", []platformauth.Token{token})
	}
	shown = append(shown, text.String(), jsonText.String(), fmt.Errorf("%w: %v", platformauth.ErrInvalidToken, token).Error())
	for _, s := range shown {
		if strings.Contains(s, secret) || strings.Contains(s, fmt.Sprintf("%x", secret)) || strings.Contains(s, fmt.Sprintf("%X", secret)) {
			t.Errorf("the token is shown: %s", s)
		}
	}
	if token.Reveal() != secret {
		t.Errorf("Reveal() = %q", token.Reveal())
	}
	if got := fmt.Sprint(platformauth.Token("")); got != "" {
		t.Errorf("the empty token prints %q, want nothing", got)
	}
}

func TestAStoreIsNeverPrintedWithItsToken(t *testing.T) {
	s, _ := newFile(t, tokenA)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%+v", s); strings.Contains(got, tokenA) {
		t.Errorf("the token is shown: %s", got)
	}
}
