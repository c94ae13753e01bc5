package tool_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

type outcome struct {
	WorkspaceID string `json:"workspace_id"`
	Status      string `json:"status"`
	Text        string `json:"text"`
	TaskID      string `json:"task_id"`
	Files       []struct {
		Name, URI string
		MIMEType  string `json:"mime_type"`
		Size      int
	} `json:"files"`
}

const hello = `{"workspace_id":"` + peerID + `","task":"say hello"}`

// AC-1, AC-3: the Python client understood one shape, and one part of it.
func TestDelegationUnderstandsEveryReply(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // of the text
		status string
	}{
		{"a message", says("hi"), "hi", "completed"},
		{"a message of several parts", result(`{"kind":"message","parts":[{"kind":"text","text":"a"},{"kind":"data","data":{}},{"kind":"text","text":"b"}]}`), "a\nb", "completed"},
		{"parts keyed by type", result(`{"kind":"message","parts":[{"type":"text","text":"typed"}]}`), "typed", "completed"},
		{"a task", result(`{"kind":"task","id":"t","status":{"state":"completed"},"artifacts":[{"parts":[{"kind":"text","text":"one"}]},{"parts":[{"kind":"text","text":"two"}]}]}`), "one\ntwo", "completed"},
		{"text in the status", result(`{"kind":"task","id":"t","status":{"state":"completed","message":{"parts":[{"kind":"text","text":"in the status"}]}}}`), "in the status", "completed"},
		{"a message of 1.0", result(`{"message":{"role":"ROLE_AGENT","parts":[{"text":"new"}]}}`), "new", "completed"},
		{"a task of 1.0", result(`{"task":{"id":"t","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"parts":[{"text":"newer"}]}]}}`), "newer", "completed"},
		{"a question", result(`{"kind":"task","id":"t7","status":{"state":"input-required","message":{"parts":[{"kind":"text","text":"which city?"}]}}}`), "which city?", "input-required"},
		{"nothing", result(`null`), "", "completed"},
		{"no body", status(204), "", "completed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				b.agent.script(c.answer)
				out, text := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
				if out.Text != c.want || out.Status != c.status || out.WorkspaceID != peerID {
					t.Errorf("got %+v", out)
				}
				if text == "" || !strings.Contains(text, c.want) {
					t.Errorf("the model reads %q", text)
				}
				if c.status == "input-required" && (out.TaskID != "t7" || !strings.Contains(text, "t7")) {
					t.Errorf("the model cannot answer: %q", text)
				}
				if n := len(b.agent.messages()); n != 1 {
					t.Errorf("the peer was asked %d times", n)
				}
			})
		})
	}
}

func TestFilesOfAPeerAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.agent.script(result(`{"kind":"message","parts":[{"kind":"text","text":"see"},{"kind":"file","file":{"uri":"workspace:/a.png","name":"a.png","mimeType":"image/png"}},{"url":"https://h/b.pdf","filename":"b.pdf","mediaType":"application/pdf"}]}`))
		out, text := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
		if len(out.Files) != 2 || out.Files[0].URI != "workspace:/a.png" || out.Files[1].Name != "b.pdf" || !strings.Contains(text, "b.pdf") {
			t.Errorf("%+v, %q", out, text)
		}
	})
}

// AC-2, MC-4: failures of peers were reported as success, as plain text.
func TestAPeersFailureIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		words  []string
	}{
		"a JSON-RPC error":       {body(`{"jsonrpc":"2.0","id":"1","error":{"code":-32603,"message":"exploded\nat line 3"}}`), []string{"-32603: exploded at line 3"}},
		"code 0":                 {body(`{"jsonrpc":"2.0","id":"1","error":{"code":0,"message":""}}`), []string{"refused (0: none)"}},
		"a failed task":          {result(`{"kind":"task","id":"t","status":{"state":"failed","message":{"parts":[{"kind":"text","text":"no disk"}]}}}`), []string{"is failed: no disk"}},
		"a canceled task":        {result(`{"kind":"task","id":"t","status":{"state":"canceled"}}`), []string{"is canceled: none"}},
		"a rejected task of 1.0": {result(`{"task":{"id":"t","status":{"state":"TASK_STATE_REJECTED"}}}`), []string{"is rejected"}},
		"auth required":          {result(`{"kind":"task","id":"t","status":{"state":"auth-required"}}`), []string{"is auth-required"}},
		"Python's executor":      {says("Agent error: boom"), []string{"Agent error: boom"}},
		"Python's CLI executor":  {says("Agent error (Timeout) — see workspace logs"), []string{"Agent error (Timeout)"}},
		"status 500":             {status(500), []string{"500"}},
		"status 401":             {status(401), []string{"token"}},
		"not JSON":               {body("hello"), []string{"cannot be read"}},
		"another shape":          {result(`{"kind":"poem"}`), []string{"neither a message nor a task"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				b.agent.script(c.answer)
				err := fails(t, b.table(tool.Platform{}), "delegate_task", hello, c.words...)
				if strings.Contains(err.Error(), "localhost") {
					t.Errorf("the peer's address is in the error: %v", err) // AC-6
				}
				if n := len(b.agent.messages()); n != 1 {
					t.Errorf("the peer was asked %d times", n)
				}
			})
		})
	}
}

func TestADelegationIsPolledUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		working := result(`{"kind":"task","id":"t9","status":{"state":"working"}}`)
		b.agent.script(working, working, status(500), drops, result(`{"kind":"task","id":"t9","status":{"state":"completed"},"artifacts":[{"parts":[{"kind":"text","text":"at last"}]}]}`))
		out, _ := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
		if out.Text != "at last" {
			t.Errorf("got %+v", out)
		}
		heard := b.agent.messages()
		if len(heard) != 5 || heard[0].Method != "message/send" {
			t.Fatalf("the peer heard %+v", heard)
		}
		for _, h := range heard[1:] {
			if h.Method != "tasks/get" || h.ID != "t9" {
				t.Errorf("the peer was asked %+v", h)
			}
		}
	})
}

// What certainly has not arrived is sent again, with the same id.
func TestWhatHasNotArrivedIsSentAgain(t *testing.T) {
	for name, prepare := range map[string]func(*bed){
		"429 of the platform": func(b *bed) {
			b.platform.Fail(registrytest.To("POST", "/workspaces/"+peerID+"/a2a"), registrytest.Fault{Status: 429, RetryAfter: 2, Times: 2})
		},
		"503 of the peer": func(b *bed) { b.agent.script(status(503), status(503), says("yes")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				prepare(b)
				out, _ := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
				if out.Status != "completed" {
					t.Errorf("got %+v", out)
				}
				heard := b.agent.messages()
				for _, h := range heard {
					if h.MessageID != heard[0].MessageID || h.MessageID == "" {
						t.Errorf("the ids differ: %+v", heard)
					}
				}
			})
		})
	}
	t.Run("in vain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := lay(t)
			b.agent.script(status(503))
			fails(t, b.table(tool.Platform{}), "delegate_task", hello, "takes no more work now")
			if n := len(b.agent.messages()); n != 3 {
				t.Errorf("the peer was asked %d times", n)
			}
		})
	})
}

// What comes back cannot be read, but it was made.
func TestAnAnswerThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.agent.script(body("done, as you wanted"))
		err := fails(t, b.table(tool.Platform{}), "delegate_task", hello, "cannot be read", "may be done", "Do not hand it over again")
		if !errors.Is(err, registry.ErrUnexpectedAnswer) || len(b.agent.messages()) != 1 {
			t.Errorf("%v, %d messages", err, len(b.agent.messages()))
		}
	})
}

func TestAPeerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.register(b.peer, "http://localhost:1", `{"name":"r"}`)
		began := time.Now()
		fails(t, b.table(tool.Platform{}), "delegate_task", hello, "cannot be reached; the task has not arrived", "Try another peer")
		if took := time.Since(began); took < 16*time.Second {
			t.Errorf("given up after %v, without waiting for a restart", took)
		}
		b.peer.Pause()
		fails(t, b.table(tool.Platform{}), "delegate_task", hello, "it is paused")
	})
}

// DL-6, DL-8, CL-3: what may have arrived was sent again under another id, and
// done twice.
func TestWhatMayHaveArrivedIsNotSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*bed)
		want    string
	}{
		"an answer that breaks off": {func(b *bed) { b.agent.script(breaks) }, "had begun to answer"},
		"the connection to the platform breaks": {func(b *bed) {
			b.platform.Fail(registrytest.To("POST", "/workspaces/"+peerID+"/a2a"), registrytest.Fault{Lost: true})
		}, "may have the task"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				c.prepare(b)
				fails(t, b.table(tool.Platform{}), "delegate_task", hello, c.want)
				if n := len(b.agent.messages()); n != 1 {
					t.Errorf("the peer was asked %d times", n)
				}
			})
		})
	}
}

// AC-5: a queued message looked like an unexpected answer. It is not sent
// again, and the model is told what will happen.
func TestAQueuedMessageIsSaidToBeQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.agent.script(drops)
		out, text := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
		if out.Status != "queued" || !strings.Contains(text, "Do not hand it over again") {
			t.Errorf("%+v, %q", out, text)
		}
		if n := len(b.agent.messages()); n != 1 {
			t.Errorf("the peer was asked %d times", n)
		}
	})
}

// A peer whose card says that it knows messages by their ids is asked again for
// its answer.
func TestAPeerThatKnowsMessageIDsIsAskedAgain(t *testing.T) {
	for name, interrupted := range map[string]http.HandlerFunc{"queued": drops, "broken off": breaks} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				b.register(b.peer, b.peer.URL(), `{"name":"r","capabilities":{"extensions":[{"uri":"`+tool.MessageIDExtension+`"}]}}`)
				b.agent.script(interrupted, interrupted, interrupted, interrupted, interrupted, says("after the restart"))
				out, _ := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
				if out.Text != "after the restart" {
					t.Errorf("got %+v", out)
				}
				for _, h := range b.agent.messages() {
					if h.MessageID != b.agent.messages()[0].MessageID {
						t.Errorf("another id: %+v", h)
					}
				}
			})
		})
	}
}

// AT-8: a delegation ends at its own time, says so, and is not said to be
// undone.
func TestADelegationThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.agent.script(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		began := time.Now()
		err := fails(t, b.table(tool.Platform{Delegation: tool.Delegation{Timeout: 7 * time.Second}}), "delegate_task", hello, "works on", "delegate_task_async")
		if !errors.Is(err, tool.ErrTimeout) || time.Since(began) != 7*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// AC-4, CL-1: the peer gets no token of ours, and no header that it could take
// for one; the platform gets both.
func TestThePeerGetsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		ctx := tool.WithTask(tool.WithCallID(t.Context(), "call-1"), "task-1")
		if _, err := b.table(tool.Platform{}).Call(ctx, "delegate_task", json.RawMessage(hello)); err != nil {
			t.Fatal(err)
		}
		h := b.agent.messages()[0]
		if h.Header.Get("Authorization") != "" || h.MessageID != "call-1" || h.Text != "say hello" {
			t.Errorf("the peer got %+v", h)
		}
		if diff := cmp.Diff(map[string]any{"source_workspace_id": selfID, "parent_task_id": "task-1"}, h.Metadata); diff != "" {
			t.Error(diff)
		}
		sent := b.platform.RequestsTo("POST", "/workspaces/"+peerID+"/a2a")
		if len(sent) != 1 || sent[0].Header.Get("X-Workspace-Id") != selfID {
			t.Errorf("the platform got %+v", sent)
		}
		for _, r := range b.platform.Requests() {
			if strings.Contains(r.Path, "/registry/discover") {
				t.Error("the peer's own address was asked for")
			}
		}
	})
}

func TestAnswerToAPeersQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		call[outcome](t, b.table(tool.Platform{}), "delegate_task", `{"workspace_id":"`+strings.ToUpper(peerID)+`","task":"Rome","task_id":"t7"}`)
		if h := b.agent.messages()[0]; h.TaskID != "t7" || h.Text != "Rome" {
			t.Errorf("the peer got %+v", h)
		}
	})
}

// AT-1, AT-2, DL-9: the key was made of the words, so that they could be said
// once; and being told that they had been was an error.
func TestAsyncDelegationIsKeyedByTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		table := b.table(tool.Platform{})
		type handed struct {
			TaskID, Status string
			Known          bool
		}
		ask := func(callID string) handed {
			ctx := t.Context()
			if callID != "" {
				ctx = tool.WithCallID(ctx, callID)
			}
			result, err := table.Call(ctx, "delegate_task_async", json.RawMessage(hello))
			if err != nil {
				t.Fatal(err)
			}
			var out struct {
				TaskID string `json:"task_id"`
				Status string `json:"status"`
				Known  bool   `json:"known"`
			}
			if err := json.Unmarshal(result.Structured, &out); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return handed(out)
		}
		first, second := ask(""), ask("")
		if first.TaskID == second.TaskID || first.Known || second.Known {
			t.Errorf("the same words were taken for the same call: %+v, %+v", first, second)
		}
		third, again := ask("c1"), ask("c1")
		if third.TaskID != again.TaskID || !again.Known || again.Status != "completed" {
			t.Errorf("the same call was made twice: %+v, %+v", third, again)
		}
		if n := len(b.agent.messages()); n != 3 {
			t.Errorf("the peer has worked %d times, want 3", n)
		}
	})
}

type taskList struct {
	Tasks []struct {
		TaskID      string `json:"task_id"`
		WorkspaceID string `json:"workspace_id"`
		Status      string `json:"status"`
		Result      string `json:"result"`
		Error       string `json:"error"`
	} `json:"tasks"`
	Total int `json:"total"`
}

// CL-2, DL-3: the two rows of the platform are one task, with its whole result.
func TestCheckTaskStatus(t *testing.T) {
	for name, c := range map[string]struct {
		answer                []http.HandlerFunc
		status, result, error string
	}{
		"completed":         {[]http.HandlerFunc{says("done")}, "completed", "done", ""},
		"a long result":     {[]http.HandlerFunc{says(strings.Repeat("long ", 200))}, "completed", strings.Repeat("long ", 200), ""},
		"parts by type":     {[]http.HandlerFunc{result(`{"kind":"message","parts":[{"type":"text","text":"typed"}]}`)}, "completed", "typed", ""},
		"an error inside":   {[]http.HandlerFunc{body(`{"jsonrpc":"2.0","id":"1","error":{"code":-32603,"message":"boom"}}`)}, "failed", "", "agent answered -32603: boom"},
		"a failed task":     {[]http.HandlerFunc{result(`{"kind":"task","id":"t","status":{"state":"failed","message":{"parts":[{"type":"text","text":"no"}]}}}`)}, "failed", "", "no"},
		"status 500":        {[]http.HandlerFunc{status(500)}, "failed", "", "Internal Server Error"},
		"cut in a letter":   {[]http.HandlerFunc{says("x" + strings.Repeat("ü", 200))}, "completed", "(The platform has kept no text of the answer. Ask the peer for it.)", ""},
		"queued, and later": {[]http.HandlerFunc{drops, says("late")}, "completed", "late", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				b.agent.script(c.answer...)
				table := b.table(tool.Platform{})
				_, text := call[struct{}](t, table, "delegate_task_async", hello)
				synctest.Wait()
				if len(c.answer) > 1 {
					before, said := call[taskList](t, table, "check_task_status", `{}`)
					if before.Tasks[0].Status != "queued" || !strings.Contains(said, "do not hand it over again") {
						t.Errorf("%+v, %q", before, said)
					}
					if _, err := b.clientOf(b.peer).Heartbeat(t.Context(), registry.HeartbeatRequest{}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
				}
				list, _ := call[taskList](t, table, "check_task_status", `{}`)
				if list.Total != 1 || !strings.Contains(text, list.Tasks[0].TaskID) {
					t.Fatalf("%+v after %q", list, text)
				}
				one, said := call[taskList](t, table, "check_task_status", `{"task_id":"`+list.Tasks[0].TaskID+`","workspace_id":"`+peerID+`"}`)
				got := one.Tasks[0]
				if got.Status != c.status || got.Result != c.result || got.Error != c.error || got.WorkspaceID != peerID {
					t.Errorf("got %+v", got)
				}
				if !strings.Contains(said, c.status) {
					t.Errorf("the model reads %q", said)
				}
			})
		})
	}
}

func TestCheckTaskStatusOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		table := b.table(tool.Platform{})
		if list, text := call[taskList](t, table, "check_task_status", `{}`); list.Total != 0 || text != "Nothing was delegated." {
			t.Errorf("%+v, %q", list, text)
		}
		fails(t, table, "check_task_status", `{"task_id":"x"}`, `task_id is "x"`, "leave it out")
		b.self.AddDelegation(registrytest.Delegation{DelegationID: "forged", SourceID: otherID, TargetID: peerID, Status: "completed", ResponsePreview: "obey"})
		if list, _ := call[taskList](t, table, "check_task_status", `{}`); list.Total != 0 {
			t.Errorf("somebody else's delegation is shown: %+v", list)
		}
	})
}
