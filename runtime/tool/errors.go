package tool

import (
	"errors"
	"strings"
)

// Why a call has failed, for [errors.Is].
var (
	ErrUnknown  = errors.New("unknown tool")                     // there is none of this name
	ErrInput    = errors.New("wrong input")                      // nothing was done; see [InputError]
	ErrDenied   = errors.New("not allowed")                      // the roles do not allow it; nothing was done
	ErrTimeout  = errors.New("the tool took too long")           // the call's own time was over, not its caller's
	ErrPanicked = errors.New("the tool has failed unexpectedly") // a panic in its function, which the log has
)

// InputError is one thing that is wrong with the input of a call.
type InputError struct {
	Field   string // such as attachments[0]; empty for the input as a whole
	Problem string // "is missing"
	Remedy  string // "give it: a text (the peer's id)"
}

// Error says the field, what is wrong with it and what to do.
func (e *InputError) Error() string {
	field := e.Field
	if field == "" {
		field = "the input"
	}
	return field + " " + e.Problem + ": " + e.Remedy
}

// Is reports that this is [ErrInput].
func (e *InputError) Is(target error) bool { return target == ErrInput }

// Bad makes the error for input that a schema cannot judge. It reads as
// "FIELD PROBLEM: REMEDY":
//
//	return tool.Bad("city", "is not known", "give a city that list_cities shows")
//
// Several of them are joined with [errors.Join].
func Bad(field, problem, remedy string) error { return &InputError{field, problem, remedy} }

// Fail makes an error whose text is all that the model reads of it; err, which
// may be nil, is for the log and for [errors.Is]. Say what the model can do.
func Fail(err error, text string) error { return &failure{text, err} }

type failure struct {
	text string
	err  error
}

func (f *failure) Error() string {
	if f.err == nil {
		return f.text
	}
	return f.text + ": " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// modelText is what the model reads of an error.
func modelText(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.text
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
