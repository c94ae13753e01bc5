package registry

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzErrorBody: whatever a platform or a proxy answers, the error is one line
// of bounded, valid text.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		"", `{"error":"missing workspace auth token"}`, `{"error":{"code":1}}`, `{"error":null}`, "404 page not found",
		`{"busy":true,"retry_after":30,"error":"x"}`, `{"retry_after":1e300}`, `{"retry_after":-1}`, "<html>", "\xff\xfe", `{"error":"a\nb\u0000"}`, `[1]`, `{"delivery_confirmed":null}`,
	} {
		f.Add(503, []byte(seed), "7")
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		h := http.Header{}
		h["Retry-After"] = []string{after}
		e := answerError(call{op: "Op", method: "GET", path: "/x"}, &answer{status: status, header: h, body: body})
		text := e.Error()
		if len(text) > 2000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x00") {
			t.Fatalf("error text of %d bytes: %q", len(text), text)
		}
		if e.RetryAfter < 0 {
			t.Fatalf("RetryAfter = %v", e.RetryAfter)
		}
		for _, sentinel := range []error{ErrBadRequest, ErrUnauthorized, ErrBusy, ErrUnavailable, ErrTenantMismatch} {
			_ = e.Is(sentinel)
		}
	})
}

// FuzzA2AAnswer: exactly one of answer, refusal, queue and nothing comes out of
// any body.
func FuzzA2AAnswer(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","error":{"code":-1,"message":"x"}}`,
		`{"queued":true,"queue_id":"q","queue_depth":1}`, `{"queued":true,"queue_depth":"x"}`, `[]`, `{"result":null,"jsonrpc":"2.0"}`, "<html>",
	} {
		f.Add(200, []byte(seed))
		f.Add(202, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, err := readA2A(call{op: "SendA2A"}, &answer{status: status, body: body})
		if (got == nil) != (err != nil) {
			t.Fatalf("readA2A() = %v, %v", got, err)
		}
		if err != nil {
			if !FromPlatform(err) {
				t.Fatalf("an answer is not from the platform: %v", err)
			}
			return
		}
		n := 0
		for _, set := range []bool{got.Result != nil, got.Err != nil, got.Queued != nil} {
			if set {
				n++
			}
		}
		if n > 1 {
			t.Fatalf("%d of Result, Err and Queued are set: %+v", n, got)
		}
	})
}
