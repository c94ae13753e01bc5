package tool_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

type memories struct {
	Count    int `json:"count"`
	Memories []struct{ Scope, Content, Namespace string }
}

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		table := b.table(tool.Platform{Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "[secret]") }})
		if _, text := call[memories](t, table, "recall_memory", `{"query":"","scope":""}`); !strings.Contains(text, "Nothing is remembered") {
			t.Errorf("the model reads %q", text)
		}
		_, text := call[memories](t, table, "commit_memory", `{"content":"the sky is blue, hunter2"}`)
		if !strings.Contains(text, "LOCAL, general") {
			t.Errorf("the model reads %q", text)
		}
		call[memories](t, table, "commit_memory", `{"content":"rockets fly","scope":"TEAM","namespace":"facts"}`)
		got, text := call[memories](t, table, "recall_memory", `{"scope":"LOCAL"}`)
		if got.Count != 1 || got.Memories[0].Content != "the sky is blue, [secret]" || !strings.Contains(text, "[LOCAL, ") {
			t.Errorf("%+v, %q", got, text)
		}
		if got, _ = call[memories](t, table, "recall_memory", `{"query":"rockets"}`); got.Count != 1 || got.Memories[0].Namespace != "facts" {
			t.Errorf("%+v", got)
		}
	})
}

// AT-4: the platform's rule is that a root has no parent, whatever its tier;
// and not knowing is no.
func TestGlobalMemoryIsForRoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		const global = `{"content":"for all","scope":"GLOBAL"}`
		call[memories](t, b.table(tool.Platform{}), "commit_memory", global)

		child := *b
		child.client = b.clientOf(b.peer)
		if err := fails(t, child.table(tool.Platform{}), "commit_memory", global, "only a workspace without a parent", "use TEAM or LOCAL"); !errors.Is(err, tool.ErrDenied) {
			t.Errorf("%v", err)
		}
		b.platform.Fail(registrytest.To("GET", "/workspaces/"+selfID), registrytest.Fault{Status: 500})
		fails(t, b.table(tool.Platform{}), "commit_memory", global, "nothing was changed")
		if n := len(b.platform.RequestsTo("POST", "/workspaces/"+peerID+"/memories")) + len(b.self.Memories()); n != 1 {
			t.Errorf("%d memories were written, want 1", n)
		}
		// The platform's own refusal reads the same.
		b.platform.Fail(registrytest.To("POST", "/workspaces/"+selfID+"/memories"), registrytest.Fault{Status: 403})
		fails(t, b.table(tool.Platform{}), "commit_memory", global, "use TEAM or LOCAL")
	})
}

// A memory is not committed twice by a repeat, and a model is told when it may
// be there.
func TestAMemoryWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.platform.Fail(registrytest.To("POST", "/workspaces/"+selfID+"/memories"), registrytest.Fault{Lost: true})
		fails(t, b.table(tool.Platform{}), "commit_memory", `{"content":"x"}`, "may be remembered all the same", "recall_memory")
		if n := len(b.self.Memories()); n != 1 {
			t.Errorf("%d memories", n)
		}
	})
}

func TestThePlatformsTroubleIsSaidInWordsForAModel(t *testing.T) {
	for _, c := range []struct {
		fault registrytest.Fault
		words string
	}{
		{registrytest.Fault{Status: 401}, "does not accept this workspace's token at the moment"},
		{registrytest.Fault{Status: 402}, "a budget is used up"},
		{registrytest.Fault{Status: 403}, "does not allow this"},
		{registrytest.Fault{Status: 404, Empty: true}, "MOLECULE_ORG_ID"},
		{registrytest.Fault{Status: 404}, "does not know it"},
		{registrytest.Fault{Status: 413}, "too large"},
		{registrytest.Fault{Status: 429, RetryAfter: 7}, "try again in 8 s"},
		{registrytest.Fault{Status: 400}, "has refused it"},
		{registrytest.Fault{Status: 500}, "has trouble"},
		{registrytest.Fault{Truncate: true}, "cannot be read"},
		{registrytest.Fault{HTML: true}, "cannot be read"},
		{registrytest.Fault{Reset: true}, "could not be reached"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := lay(t)
			b.platform.Fail(registrytest.To("GET", "/workspaces/"+selfID+"/memories"), c.fault)
			err := fails(t, b.table(tool.Platform{}), "recall_memory", `{}`, c.words)
			if err == nil || errors.Is(err, tool.ErrInput) {
				t.Errorf("%+v: %v", c.fault, err)
			}
		})
	}
}
