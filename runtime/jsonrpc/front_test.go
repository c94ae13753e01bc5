package jsonrpc_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// Each test of this file is one thing that the protocol library's own handlers
// get wrong, and what happens here instead.

// both runs a test in both dialects.
func both(t *testing.T, test func(t *testing.T, hello string)) {
	t.Helper()
	t.Run("0.3", func(t *testing.T) { test(t, hello03) })
	t.Run("1.0", func(t *testing.T) { test(t, hello10) })
}

func TestGETAndPUTAre405WithAllow(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead, http.MethodDelete, http.MethodOptions} {
		a := new(agent)
		got := request(t, jsonrpc.NewHandler(a), method, "/", hello10, "Content-Type", "application/json")
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" || a.calls.Load() != 0 {
			t.Errorf("%s: status %d, Allow %q, %d calls; want 405, POST, none", method, got.status, got.header.Get("Allow"), a.calls.Load())
		}
	}
}

func TestContentTypeOtherThanJSONIs415(t *testing.T) {
	for _, c := range []struct {
		contentType string
		want        int
	}{
		{"text/plain", http.StatusUnsupportedMediaType},
		{"", http.StatusUnsupportedMediaType},
		{"application/x-www-form-urlencoded", http.StatusUnsupportedMediaType},
		{"multipart/form-data; boundary=x", http.StatusUnsupportedMediaType},
		{"text/plain; application/json", http.StatusUnsupportedMediaType},
		{"application/json, text/plain", http.StatusUnsupportedMediaType},
		{"application/json", http.StatusOK},
		{"Application/JSON; charset=utf-8", http.StatusOK},
		{"application/a2a+json", http.StatusOK},
	} {
		a := new(agent)
		got := request(t, jsonrpc.NewHandler(a), http.MethodPost, "/", hello10, "Content-Type", c.contentType)
		if got.status != c.want || (a.calls.Load() == 1) != (c.want == http.StatusOK) {
			t.Errorf("%q: status %d, %d calls; want %d", c.contentType, got.status, a.calls.Load(), c.want)
		}
	}
}

func TestUnknownA2AVersionIs32009(t *testing.T) {
	both(t, func(t *testing.T, hello string) {
		for _, version := range []string{"9.9", "1", "0.4", "2.0", "1.1", "one", "0.3x", "1.0,0.3"} {
			a := new(agent)
			post(t, jsonrpc.NewHandler(a), hello, "A2A-Version", version).wantError(t, -32009)
			if a.calls.Load() != 0 {
				t.Errorf("version %q: the call was executed", version)
			}
		}
		for _, target := range []string{"/?A2A-Version=9.9"} {
			request(t, jsonrpc.NewHandler(new(agent)), http.MethodPost, target, hello, "Content-Type", "application/json").wantError(t, -32009)
		}
	})
}

func TestA2AVersionOfTheOtherDialectIs32601(t *testing.T) {
	for _, c := range []struct{ version, hello string }{
		{"0.3", hello10}, {"0.3.0", hello10}, {"1.0", hello03}, {"1.0.1", hello03},
	} {
		a := new(agent)
		h := jsonrpc.NewHandler(a)
		post(t, h, c.hello, "A2A-Version", c.version).wantError(t, -32601)
		request(t, h, http.MethodPost, "/?A2A-Version="+c.version, c.hello, "Content-Type", "application/json").wantError(t, -32601)
		if a.calls.Load() != 0 {
			t.Errorf("version %s: the call was executed", c.version)
		}
	}
	for _, c := range []struct{ version, hello string }{
		{"", hello10}, {"", hello03}, {"0.3", hello03}, {"0.3.0", hello03}, {"1.0", hello10}, {"1.0.0", hello10}, {" 1.0 ", hello10},
	} {
		post(t, jsonrpc.NewHandler(new(agent)), c.hello, "A2A-Version", c.version).wantResult(t)
	}
}

func TestABatchIs32600(t *testing.T) {
	for _, body := range []string{"[]", "[" + hello10 + "]", "[" + hello03 + "," + hello10 + "]", " \n[]"} {
		a := new(agent)
		r := post(t, jsonrpc.NewHandler(a), body).wantError(t, -32600)
		if string(r.ID) != "null" || a.calls.Load() != 0 {
			t.Errorf("%s: id %s, %d calls; want null and none", body, r.ID, a.calls.Load())
		}
		if strings.Contains(r.Error.Message, "Go ") {
			t.Errorf("the message talks about Go: %q", r.Error.Message)
		}
	}
}

func TestANotificationIs32600AndNotExecuted(t *testing.T) {
	both(t, func(t *testing.T, hello string) {
		a := new(agent)
		r := post(t, jsonrpc.NewHandler(a), strings.Replace(hello, `"id":1,`, "", 1)).wantError(t, -32600)
		if string(r.ID) != "null" || a.calls.Load() != 0 {
			t.Errorf("id %s, %d calls; want null and none", r.ID, a.calls.Load())
		}
	})
}

func TestAnIDThatIsNoStringOrNumberIs32600(t *testing.T) {
	for _, id := range []string{"true", "{}", "[]", "false", "null"} {
		both(t, func(t *testing.T, hello string) {
			a := new(agent)
			r := post(t, jsonrpc.NewHandler(a), strings.Replace(hello, `"id":1`, `"id":`+id, 1)).wantError(t, -32600)
			if string(r.ID) != "null" || a.calls.Load() != 0 {
				t.Errorf("id %s: answered id %s, %d calls", id, r.ID, a.calls.Load())
			}
		})
	}
}

func TestIDsComeBackVerbatimAlsoAbove2To53(t *testing.T) {
	for _, id := range []string{"9007199254740993", "1000000000000000000000", "-0", "1.50", "1e2", `"a\u0062"`, `""`, `"ü <b>"`, "12345678901234567000"} {
		both(t, func(t *testing.T, hello string) {
			got := post(t, jsonrpc.NewHandler(new(agent)), strings.Replace(hello, `"id":1`, `"id":`+id, 1))
			got.wantResult(t)
			if !strings.HasPrefix(got.body, `{"jsonrpc":"2.0","id":`+id+`,`) {
				t.Errorf("id %s: got %.80s", id, got.body)
			}
		})
	}
	for _, stream := range []string{helloStream03, helloStream10} {
		got := post(t, jsonrpc.NewHandler(new(agent)), strings.Replace(stream, `"id":1`, `"id":9007199254740993`, 1)).events(t)
		if !strings.HasPrefix(got[0].data, `{"jsonrpc":"2.0","id":9007199254740993,`) {
			t.Errorf("got %.80s", got[0].data)
		}
	}
}

func TestAnIDIsBoundedAndUTF8(t *testing.T) {
	// Each event of a stream repeats the id, and has to be JSON itself.
	for _, id := range []string{`"` + strings.Repeat("x", 2000) + `"`, strings.Repeat("9", 2000), "\"\xff\""} {
		a := new(agent)
		post(t, jsonrpc.NewHandler(a), strings.Replace(helloStream10, `"id":1`, `"id":`+id, 1)).wantError(t, -32600)
		if a.calls.Load() != 0 {
			t.Errorf("id %.20s: the call was executed", id)
		}
	}
}

func TestMalformedAndEmptyAre32700(t *testing.T) {
	for _, body := range []string{"", " ", "{", `{"method":`, "nonsense", `{"jsonrpc":"2.0","id":1,}`, "\x00", "{]", `{"a":"` + "\n" + `"}`} {
		got := post(t, jsonrpc.NewHandler(new(agent)), body)
		got.wantError(t, -32700)
	}
}

func TestTrailingGarbageIs32700(t *testing.T) {
	both(t, func(t *testing.T, hello string) {
		for _, rest := range []string{"x", hello, "{}", "]", ","} {
			a := new(agent)
			post(t, jsonrpc.NewHandler(a), hello+rest).wantError(t, -32700)
			if a.calls.Load() != 0 {
				t.Errorf("with %.20q behind it the call was executed", rest)
			}
		}
		post(t, jsonrpc.NewHandler(new(agent)), hello+" \r\n\t").wantResult(t)
	})
}

func TestParamsMissingAre32602(t *testing.T) {
	for _, method := range []string{
		"message/send", "message/stream", "tasks/get", "tasks/cancel", "tasks/resubscribe",
		"tasks/pushNotificationConfig/set", "tasks/pushNotificationConfig/get",
		"tasks/pushNotificationConfig/list", "tasks/pushNotificationConfig/delete",
		"SendMessage", "SendStreamingMessage", "GetTask", "CancelTask", "SubscribeToTask",
		"CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig",
		"ListTaskPushNotificationConfigs", "DeleteTaskPushNotificationConfig",
	} {
		t.Run(method, func(t *testing.T) {
			a := new(agent)
			h := jsonrpc.NewHandler(a)
			post(t, h, `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`).wantError(t, -32602)
			for _, params := range []string{"null", "[]", "1", `"x"`, "{}"} {
				post(t, h, call(method, params)).wantError(t, -32602)
			}
			if a.calls.Load() != 0 {
				t.Errorf("%d of the calls were executed", a.calls.Load())
			}
		})
	}
}

func TestDeepNestingIs32600At64(t *testing.T) {
	nested := func(depth int) string { // the envelope is the first level, params the second, metadata the third
		open := strings.Repeat("[", depth-3)
		return call("SendMessage", `{"message":{"parts":[{"text":"x"}]},"metadata":{"x":`+open+strings.Repeat("]", depth-3)+`}}`)
	}
	post(t, jsonrpc.NewHandler(new(agent)), nested(64)).wantResult(t)
	a := new(agent)
	h := jsonrpc.NewHandler(a)
	for _, depth := range []int{65, 1000, 20000, 1 << 20} {
		post(t, h, nested(depth)).wantError(t, -32600)
	}
	post(t, h, strings.Repeat(`{"a":`, 20000)).wantError(t, -32600)
	if a.calls.Load() != 0 {
		t.Error("a nested request was executed")
	}
	shallow := jsonrpc.NewHandler(new(agent), jsonrpc.WithLimits(jsonrpc.Limits{MaxDepth: 4}))
	post(t, shallow, hello03).wantError(t, -32600) // envelope, params, message, parts, part
	brackets := call("SendMessage", `{"message":{"parts":[{"text":"`+strings.Repeat(`[{\"\\`, 1000)+`"}]}}`)
	post(t, jsonrpc.NewHandler(new(agent)), brackets).wantResult(t)
}

func TestABodyOverTheLimitIs413(t *testing.T) {
	both(t, func(t *testing.T, hello string) {
		a := new(agent)
		h := jsonrpc.NewHandler(a)
		for _, size := range []int{4<<20 + 1, 32 << 20} {
			got := post(t, h, hello+strings.Repeat(" ", size-len(hello)))
			if got.status != http.StatusRequestEntityTooLarge || a.calls.Load() != 0 {
				t.Errorf("%d bytes: status %d, %d calls; want 413, none", size, got.status, a.calls.Load())
			}
		}
		post(t, h, hello+strings.Repeat(" ", 4<<20-len(hello))).wantResult(t)

		h = jsonrpc.NewHandler(a, jsonrpc.WithLimits(jsonrpc.Limits{MaxBody: int64(len(hello))}))
		post(t, h, hello).wantResult(t)
		if got := post(t, h, hello+" "); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("one byte over a limit of %d: status %d", len(hello), got.status)
		}
	})
}

func TestCaseDuplicatesAndBadUTF8AreAccepted(t *testing.T) {
	for name, body := range map[string]string{
		"METHOD":         strings.Replace(hello10, `"method"`, `"METHOD"`, 1),
		"duplicate keys": strings.Replace(hello10, `"id":1`, `"id":7,"id":1`, 1),
		"bad UTF-8":      strings.Replace(hello10, "hello", "h\xffllo", 1),
	} {
		a := new(agent)
		got := post(t, jsonrpc.NewHandler(a), body).wantResult(t)
		if name == "bad UTF-8" && !strings.Contains(got, "h\ufffdllo") {
			t.Errorf("bad UTF-8: got %s", got)
		}
	}
}

func TestAnUnknownRoleIs32602(t *testing.T) {
	for _, c := range []struct {
		method, role string
		want         a2a.MessageRole // "" is refused
	}{
		{"message/send", `"user"`, a2a.MessageRoleUser},
		{"message/send", `"agent"`, a2a.MessageRoleAgent},
		{"message/send", `""`, a2a.MessageRoleUser},
		{"message/send", `null`, a2a.MessageRoleUser},
		{"message/send", `"zzz"`, ""},
		{"message/send", `"ROLE_AGENT"`, ""},
		{"message/send", `1`, ""},
		{"SendMessage", `"ROLE_USER"`, a2a.MessageRoleUser},
		{"SendMessage", `"ROLE_AGENT"`, a2a.MessageRoleAgent},
		{"SendMessage", `"ROLE_UNSPECIFIED"`, a2a.MessageRoleUser},
		{"SendMessage", `"zzz"`, ""},
		{"SendMessage", `"user"`, ""},
		{"SendMessage", `{}`, ""},
	} {
		t.Run(c.method+" "+c.role, func(t *testing.T) {
			a := new(agent)
			got := post(t, jsonrpc.NewHandler(a), call(c.method, `{"message":{"role":`+c.role+`,"parts":[{"text":"x"}]}}`))
			if c.want == "" {
				got.wantError(t, -32602)
				return
			}
			got.wantResult(t)
			if role := a.last.Load().Message.Role; role != c.want {
				t.Errorf("the agent got role %q, want %q", role, c.want)
			}
		})
	}
}

func TestNullPartsAre32602(t *testing.T) {
	for _, method := range []string{"message/send", "message/stream", "SendMessage", "SendStreamingMessage"} {
		for _, parts := range []string{`[null]`, `[{"text":"a"},null]`, `null`, `[]`, `{}`, `[1]`, `["text"]`, `[[]]`, `[{}]`, `[{"text":null}]`} {
			a := new(agent)
			post(t, jsonrpc.NewHandler(a), call(method, `{"message":{"messageId":"m","parts":`+parts+`}}`)).wantError(t, -32602)
			if a.calls.Load() != 0 {
				t.Errorf("%s with parts %s was executed", method, parts)
			}
		}
	}
}

func TestAPart03KeyedByTypeIsAccepted(t *testing.T) {
	a := new(agent)
	post(t, jsonrpc.NewHandler(a), call("message/send", `{"message":{"messageId":"m","role":"user","parts":[{"type":"text","text":"hi"}]}}`)).wantResult(t)
	if got := a.last.Load().Message.Parts[0].Text(); got != "hi" {
		t.Errorf("the agent got %q", got)
	}
}

func TestAMissingMessageIDIsGenerated(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{``, `"messageId":"",`, `"messageId":null,`} {
		for _, method := range []string{"message/send", "SendMessage"} {
			a := new(agent)
			post(t, jsonrpc.NewHandler(a), call(method, `{"message":{`+id+`"parts":[{"text":"x"}]}}`)).wantResult(t)
			got := a.last.Load().Message.ID
			if got == "" || seen[got] {
				t.Errorf("%s with %q: the agent got id %q, want one of its own", method, id, got)
			}
			seen[got] = true
		}
	}
}

func TestA03MessageWithoutKindIsAccepted(t *testing.T) {
	for _, kind := range []string{``, `"kind":"message",`, `"kind":"whatever",`} {
		post(t, jsonrpc.NewHandler(new(agent)), call("message/send", `{"message":{`+kind+`"parts":[{"kind":"text","text":"x"}]}}`)).wantResult(t)
	}
}

func TestAPushConfigWithoutAMessageIs32602(t *testing.T) {
	for _, method := range []string{"message/send", "message/stream", "SendMessage", "SendStreamingMessage"} {
		for _, message := range []string{``, `,"message":null`} {
			params := `{"configuration":{"pushNotificationConfig":{"url":"http://x"},"taskPushNotificationConfig":{"url":"http://x"}}` + message + `}`
			post(t, jsonrpc.NewHandler(new(agent)), call(method, params)).wantError(t, -32602)
		}
	}
}

func TestBadParamsOnAStreamMethodAreAPlainJSONError(t *testing.T) {
	for _, method := range []string{"message/stream", "tasks/resubscribe", "SendStreamingMessage", "SubscribeToTask"} {
		post(t, jsonrpc.NewHandler(new(agent)), call(method, `{"message":1,"id":1}`)).wantError(t, -32602)
		post(t, jsonrpc.NewHandler(new(agent)), call(method, `{}`), "Accept", "application/json, text/event-stream").wantError(t, -32602)
	}
}

func TestDeletingAPushConfigAnswersAnObject(t *testing.T) {
	for _, c := range []struct{ method, params string }{
		{"tasks/pushNotificationConfig/delete", `{"id":"t","pushNotificationConfigId":"c"}`},
		{"DeleteTaskPushNotificationConfig", `{"taskId":"t","id":"c"}`},
	} {
		var got *a2a.DeleteTaskPushConfigRequest
		a := &agent{deletePush: func(_ context.Context, req *a2a.DeleteTaskPushConfigRequest) error { got = req; return nil }}
		if result := post(t, jsonrpc.NewHandler(a), call(c.method, c.params)).wantResult(t); result != "{}" {
			t.Errorf("%s: result %s, want {}", c.method, result)
		}
		if got == nil || got.TaskID != "t" || got.ID != "c" {
			t.Errorf("%s: the handler got %+v", c.method, got)
		}
	}
}

func TestAPanicBeforeATaskIsInternalError(t *testing.T) {
	log := new(recorder)
	a := &agent{
		send: func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
			panic("the secret cause")
		},
		stream: func(context.Context, *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
			return func(func(a2a.Event, error) bool) { panic("the secret cause") }
		},
	}
	h := jsonrpc.NewHandler(a, jsonrpc.WithLogger(log.logger()))
	both(t, func(t *testing.T, hello string) {
		if r := post(t, h, hello).wantError(t, -32603); r.Error.Message != "internal error" {
			t.Errorf("message %q", r.Error.Message)
		}
	})
	for _, stream := range []string{helloStream03, helloStream10} {
		got := post(t, h, stream)
		if !strings.Contains(got.body, `"code":-32603,"message":"internal error"`) || strings.Contains(got.body, "secret") || strings.Contains(got.body, "goroutine") {
			t.Errorf("got %q", got.body)
		}
	}
	if !strings.Contains(log.String(), "the secret cause") || !strings.Contains(log.String(), "front_test.go") {
		t.Errorf("the log lacks the panic or its stack: %s", log)
	}
}

func TestAnErrorBeforeATaskIsInternalError(t *testing.T) {
	log := new(recorder)
	a := &agent{
		send: func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
			return nil, errors.New("dial tcp 10.0.0.1: the secret cause")
		},
		stream: func(context.Context, *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
			return func(yield func(a2a.Event, error) bool) { yield(nil, errors.New("the secret cause")) }
		},
	}
	h := jsonrpc.NewHandler(a, jsonrpc.WithLogger(log.logger()))
	for _, body := range []string{hello03, hello10, helloStream03, helloStream10} {
		got := post(t, h, body)
		if !strings.Contains(got.body, `"code":-32603,"message":"internal error"`) || strings.Contains(got.body, "secret") {
			t.Errorf("got %q", got.body)
		}
	}
	if n := strings.Count(log.String(), "the secret cause"); n != 4 {
		t.Errorf("the log has the cause %d times, want 4: %s", n, log)
	}
}

func TestAnUnknownMethodIs32601(t *testing.T) {
	for _, method := range []string{"tasks/list", "message/Send", "sendMessage", "rpc.discover", "nothing", "GetTask ", "\\u0000"} {
		r := post(t, jsonrpc.NewHandler(new(agent)), call(method, "{}")).wantError(t, -32601)
		if string(r.ID) != "1" {
			t.Errorf("%s: id %s", method, r.ID)
		}
	}
}

func TestWhatIsNoRequestIs32600(t *testing.T) {
	for _, body := range []string{
		"null", "1", "true", `"x"`, "{}",
		`{"jsonrpc":"2.0","id":1}`, `{"jsonrpc":"2.0","id":1,"method":null}`, `{"jsonrpc":"2.0","id":1,"method":""}`, `{"jsonrpc":"2.0","id":1,"method":1}`,
		`{"id":1,"method":"GetTask","params":{"id":"t"}}`, `{"jsonrpc":"1.0","id":1,"method":"GetTask","params":{"id":"t"}}`, `{"jsonrpc":2.0,"id":1,"method":"GetTask","params":{"id":"t"}}`,
	} {
		r := post(t, jsonrpc.NewHandler(new(agent)), body).wantError(t, -32600)
		if want := "1"; strings.Contains(body, `"id":1`) && string(r.ID) != want {
			t.Errorf("%s: id %s, want %s", body, r.ID, want)
		}
	}
}

func TestCrossOriginRequestsAre403(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"no browser", nil, 200},
		{"same origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, 200},
		{"typed by the user", []string{"Sec-Fetch-Site", "none"}, 200},
		{"an older browser, same origin", []string{"Origin", "http://example.com"}, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test"}, 403},
		{"a sibling", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://a.example.com"}, 403},
		{"an older browser, another site", []string{"Origin", "http://evil.test"}, 403},
		{"a sandboxed page", []string{"Origin", "null"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := new(agent)
			got := post(t, jsonrpc.NewHandler(a), hello10, c.headers...) // the host is example.com
			if got.status != c.want || (a.calls.Load() == 1) != (c.want == 200) {
				t.Errorf("status %d, %d calls; want %d", got.status, a.calls.Load(), c.want)
			}
			for name := range got.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer has %s", name)
				}
			}
		})
	}
}

func TestHTTPErrorsAreJSON(t *testing.T) {
	h := jsonrpc.NewHandler(new(agent), jsonrpc.WithLimits(jsonrpc.Limits{MaxBody: 1}))
	for _, got := range []answered{
		request(t, h, http.MethodGet, "/", ""),
		request(t, h, http.MethodPost, "/", hello10, "Content-Type", "text/plain"),
		post(t, h, hello10),
		post(t, h, hello10, "Origin", "http://evil.test"),
	} {
		if got.header.Get("Content-Type") != "application/json" || bytes.Contains([]byte(got.body), []byte("Go ")) {
			t.Errorf("status %d: Content-Type %q: %s", got.status, got.header.Get("Content-Type"), got.body)
		}
		parseResponse(t, got.body)
	}
}
