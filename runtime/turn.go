package runtime

import (
	"context"
	"strings"
	"unicode"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Turn is one message to be answered. It is read-only and valid, also for
// concurrent use, until Run returns.
type Turn struct {
	x *task.Execution
}

// TaskID is the id of the A2A task this turn belongs to.
func (t *Turn) TaskID() string { return string(t.x.TaskID()) }

// ContextID is the id of the conversation: the same for all messages that
// belong together.
func (t *Turn) ContextID() string { return t.x.ContextID() }

// MessageID is the id of the message. The platform delivers a message again
// with the same id; the runtime answers it with the task it made then.
func (t *Turn) MessageID() string { return t.x.Message().ID }

// Text is the text of the message: its text parts, joined by a line break.
func (t *Turn) Text() string { return textOf(t.x.Message()) }

// Files are the files that came with the message.
func (t *Turn) Files() []File {
	var files []File
	for _, p := range t.x.Message().Parts {
		f := File{Name: p.Filename, MediaType: p.MediaType}
		switch c := p.Content.(type) {
		case a2a.Raw:
			f.Bytes = c
		case a2a.URL:
			f.URL = string(c)
		default:
			continue
		}
		files = append(files, f)
	}
	return files
}

// Message is the message as it came, for those who want the protocol. It must
// not be modified.
func (t *Turn) Message() *a2a.Message { return t.x.Message() }

// History is what was said before in this conversation, oldest first: as far as
// the caller sent it along, and then the questions and answers of this task. It
// must not be modified.
func (t *Turn) History() []*a2a.Message { return t.x.History() }

// Attempt is 1, and more for a turn that was interrupted by the end of the
// process and is gone on with: see [Resumer].
func (t *Turn) Attempt() int { return t.x.Attempt() }

// Written is the text of the reply that callers have already: what earlier
// attempts have written, and earlier turns of a task that has asked for more
// ([Reply.Ask]). What is written now goes behind it.
func (t *Turn) Written() string { return t.x.Written() }

// Metadata is what the caller sent along beside the message, nil when nothing.
// It must not be modified.
func (t *Turn) Metadata() map[string]any { return t.x.Metadata() }

// Once makes a side effect at most once in a task, however often its turn is
// interrupted and gone on with ([Resumer]), such as an order or a letter. key
// names the effect: the same in every attempt, another one for each effect. do
// makes it and returns what is to be kept of it, such as a number; a later
// attempt gets that without a call of do. [task.ErrUnknownOutcome] says that an
// attempt has ended in the middle of do. For all it promises see
// [task.Execution.Once].
func (t *Turn) Once(ctx context.Context, key string, do func(ctx context.Context) ([]byte, error)) ([]byte, error) {
	return t.x.Once(ctx, key, do)
}

func textOf(m *a2a.Message) string {
	var texts []string
	for _, p := range m.Parts {
		if c, ok := p.Content.(a2a.Text); ok {
			texts = append(texts, string(c))
		}
	}
	return strings.Join(texts, "\n")
}

// maxBrief is the length in characters of what the platform shows of a message
// as the current task.
const maxBrief = 60

// brief is the beginning of a text on one line.
func brief(text string) string {
	words := strings.FieldsFunc(text[:min(len(text), 8*maxBrief)], func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	})
	line := []rune(strings.ToValidUTF8(strings.Join(words, " "), ""))
	if len(line) > maxBrief {
		return string(line[:maxBrief]) + "..."
	}
	return string(line)
}
