package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
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

// FuzzSSE: whatever stands in a stream, and in whatever pieces it comes, the
// same events come out, and what is no event is an error.
func FuzzSSE(f *testing.F) {
	for _, seed := range []string{
		": ping\n\ndata: {\"type\":\"X\",\"timestamp\":1,\"data\":{}}\n\n", "data:{\"type\":\"X\"}\r\n\r\n", "data: {\ndata: \"type\":\"X\"}\n\n",
		"data\n\n", "event: x\nid: 1\n\n", "data: {}", "\n\n\n", ":", "data: \xff\n\n", "data: null\n\ndata: []\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		read := func(r io.Reader) (out []string) {
			for s := newSSEReader(r); ; {
				data, err := s.next()
				if err != nil {
					return append(out, "end: "+err.Error())
				}
				e, err := readSSEEvent(data)
				if (err == nil) != (e.Type != "") {
					t.Fatalf("%q: event %+v and error %v", data, e, err)
				}
				out = append(out, string(data))
			}
		}
		whole, pieces := read(bytes.NewReader(stream)), read(iotest.OneByteReader(bytes.NewReader(stream)))
		if !slices.Equal(whole, pieces) {
			t.Fatalf("whole: %q\nin pieces: %q", whole, pieces)
		}
		if _, err := readSocketEvent(stream); err == nil && !json.Valid(stream) {
			t.Fatalf("an event of %q", stream)
		}
	})
}

// FuzzReply: a result is a reply or an error, never both or a panic, and what
// it says is text.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		`null`, `{}`, `"x"`, `{"kind":"message","parts":[{"kind":"text","text":"x"}]}`, `{"task":{"status":{"message":{"parts":[{"raw":"aGk="}]}}}}`,
		`{"kind":"task","artifacts":[{"parts":[{"file":{"bytes":"%"}}]}]}`, `{"message":{"message":{"parts":[]}}}`, `{"status":{"state":"TASK_STATE_"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, result []byte) {
		reply, err := (&A2AResponse{Result: result}).Reply()
		switch {
		case err != nil && (reply != nil || !errors.Is(err, ErrUnexpectedAnswer)):
			t.Fatalf("%+v and %v", reply, err)
		case reply != nil && reply.Kind != "message" && reply.Kind != "task":
			t.Fatalf("kind %q", reply.Kind)
		case reply != nil:
			if _ = reply.Files(); !utf8.ValidString(reply.Text()) {
				t.Fatalf("text %q", reply.Text())
			}
		}
	})
}

// FuzzWithoutNUL: the body stays the JSON it was, but for the NULs.
func FuzzWithoutNUL(f *testing.F) {
	for _, seed := range []string{"a\x00b", `\u0000`, `\\u0000`, "\\\x00", `"`, "\u2028<"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		body, err := json.Marshal(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(withoutNUL(body), &got); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "")
		for key, value := range got {
			if strings.Contains(value, "\x00") || key != value {
				t.Fatalf("%q became %q", text, value)
			}
			if utf8.ValidString(text) && value != want {
				t.Fatalf("%q became %q, want %q", text, value, want)
			}
		}
	})
}
