package task

import (
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// questionError is what Ask returns: the turn ends with a question.
type questionError struct{ message *a2a.Message }

func (*questionError) Error() string {
	return "task: the agent asks the caller for more; return this error from the turn"
}

// Ask makes the error that ends a turn with a question to the caller:
//
//	return x.Ask(a2a.NewTextPart("Which city?"))
//
// The task is INPUT_REQUIRED then and the caller's call or stream ends; what
// was written so far stays. The message that answers, whenever it comes and
// whatever restarts lie between, is another turn of the same task: the function
// is called again, with that message and with the question at the end of
// [Execution.History]. Parts as in [Execution.WriteParts]; a fault in them is
// the error, and the turn fails.
func (x *Execution) Ask(parts ...*a2a.Part) error {
	if len(parts) == 0 {
		return errors.New("task: a question needs at least one part")
	}
	own, err := freezeParts(parts)
	if err != nil {
		return err
	}
	return &questionError{a2a.NewMessage(a2a.MessageRoleAgent, own...)}
}

// Asks reports whether an error of a turn is a question to the caller.
func Asks(err error) bool { return questionOf(err) != nil }

// questionOf is the question in an error of a turn, nil when there is none.
func questionOf(err error) (question *a2a.Message) {
	defer func() {
		if recover() != nil { // see publicText
			question = nil
		}
	}()
	var q *questionError
	if errors.As(err, &q) {
		return ownMessage(q.message)
	}
	return nil
}
