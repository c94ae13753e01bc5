package task_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// streamed writes pieces and returns the texts of the events and the text of
// the task.
func streamed(t testing.TB, pieces ...string) (events []string, whole string) {
	t.Helper()
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		for _, p := range pieces {
			if n, err := x.WriteText([]byte(p)); err != nil || n != len(p) {
				t.Errorf("WriteText(%q) = %d, %v", p, n, err)
			}
		}
		return nil
	})
	defer drain(t, e)
	var id a2a.TaskID
	for ev, err := range e.SendStreamingMessage(t.Context(), send("hi")) {
		if err != nil {
			t.Fatal(err)
		}
		id = ev.TaskInfo().TaskID
		if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			events = append(events, up.Artifact.Parts[0].Text())
		}
	}
	return events, replyText(get(t, e, id))
}

func TestSplitCharactersComeOutWhole(t *testing.T) {
	for _, tc := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"ascii", []string{"a", "bc"}, []string{"a", "bc"}},
		{"whole characters", []string{"é", "€", "😀"}, []string{"é", "€", "😀"}},
		{"two bytes", []string{"caf\xc3", "\xa9!"}, []string{"caf", "é!"}},
		{"three bytes, one by one", []string{"\xe2", "\x82", "\xac"}, []string{"€"}},
		{"four bytes in two", []string{"ok \xf0\x9f", "\x98\x80 ok"}, []string{"ok ", "😀 ok"}},
		{"the rest and a beginning at once", []string{"\xf0\x9f\x98", "\x80\xc3", "\xa9"}, []string{"😀", "é"}},
		{"nothing is no event", []string{"", "a", "", "b", ""}, []string{"a", "b"}},
		{"never finished", []string{"a\xe2\x82"}, []string{"a", "\ufffd\ufffd"}},
		{"not continued", []string{"\xe2\x82", "a"}, []string{"\ufffd\ufffda"}},
		{"no UTF-8 at all", []string{"a\xff", "\x80b"}, []string{"a\ufffd", "\ufffdb"}},
		{"surrogate half", []string{"\xed\xa0\x80"}, []string{"\ufffd\ufffd\ufffd"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events, whole := streamed(t, tc.pieces...)
			if diff := cmp.Diff(tc.want, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if want := strings.Join(tc.want, ""); whole != want {
				t.Errorf("the task says %q, want %q", whole, want)
			}
		})
	}
}

func TestHalfACharacterBeforeAPartStaysBeforeIt(t *testing.T) {
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		x.WriteText([]byte("a\xc3"))
		x.WriteParts(a2a.NewFileURLPart("http://f", ""))
		x.WriteText([]byte("\xa9b"))
		return nil
	})
	defer drain(t, e)
	got := finish(t, e, send("hi")).Artifacts[0].Parts
	want := []string{"a\ufffd", "", "\ufffdb"}
	for i, p := range got {
		if p.Text() != want[i] {
			t.Errorf("part %d is %q, want %q", i, p.Text(), want[i])
		}
	}
}

func TestWriteDoesNotKeepItsBuffer(t *testing.T) {
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		buf := []byte("abc\xe2\x82")
		x.WriteText(buf)
		copy(buf, "XXXXX")
		x.WriteText([]byte("\xac"))
		return nil
	})
	defer drain(t, e)
	if text := replyText(finish(t, e, send("hi"))); text != "abc€" {
		t.Errorf("the reply is %q", text)
	}
}

// FuzzWriteText cuts a text at random: what comes out must not depend on it.
func FuzzWriteText(f *testing.F) {
	for _, seed := range []string{"", "plain", "héllo wörld €😀", "\xe2\x82", "a\xff\xfeb", "\xf0\x9f\x98", "\xed\xa0\x80x"} {
		f.Add(seed, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		var pieces []string
		for rest := text; rest != ""; {
			n := 1 + random.IntN(min(len(rest), 5))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		want := string([]rune(text)) // one replacement for each byte that is no UTF-8
		events, whole := streamed(t, pieces...)
		if whole != want {
			t.Errorf("%q in %d pieces became %q, want %q", text, len(pieces), whole, want)
		}
		if got := strings.Join(events, ""); got != want {
			t.Errorf("streamed: %q, want %q", got, want)
		}
		for _, ev := range events {
			if ev == "" || !utf8.ValidString(ev) {
				t.Errorf("event %q", ev)
			}
		}
	})
}
