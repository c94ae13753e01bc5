package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrInvalid is in the tree of every error that [Report.Err], [Load] and
// [Parse] return.
var ErrInvalid = errors.New("the configuration has errors")

// Severity says whether a [Problem] stops the workspace.
type Severity int

const (
	// Warning is worth a line in the log; the workspace starts.
	Warning Severity = iota
	// Error stops the workspace.
	Error
)

// String returns "warning" or "error".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Problem is one thing that is wrong with the configuration or with the place
// the workspace starts in. Neither Message nor Fix quotes a configured text:
// it might be a secret.
type Problem struct {
	Severity Severity
	Key      string // dotted key, or the variable's or file's name; may be empty
	File     string // the configuration's name, empty when it is not at fault
	Line     int    // from 1; 0 when unknown
	Column   int    // from 1, in characters; 0 when unknown
	Message  string // what is wrong
	Fix      string // what to do about it; may be empty
	Cause    error  // the system's error, if one is behind it
}

// String is the problem on one line, without the fix: file:line:column: key:
// message.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Report lists problems in the order of the file, then in the order of the
// checks. The zero Report is clean.
type Report []Problem

// sortByPlace brings problems into the order of the file, whatever order it was
// read in.
func sortByPlace(r Report) {
	slices.SortStableFunc(r, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Err returns nil when there is no [Error] in the report, else one error that
// lists them all, a line each, with what to do. It wraps [ErrInvalid] and the
// causes, so that errors.Is(err, fs.ErrPermission) works too.
func (r Report) Err() error {
	e := &invalidError{causes: []error{ErrInvalid}}
	for _, p := range r {
		if p.Severity != Error {
			continue
		}
		e.text += "\n" + p.String()
		if p.Fix != "" {
			e.text += ": " + p.Fix
		}
		if p.Cause != nil {
			e.causes = append(e.causes, p.Cause)
		}
	}
	if e.text == "" {
		return nil
	}
	return e
}

// invalidError says what the problems say; the texts of their causes, which may
// quote a value, are not part of it.
type invalidError struct {
	text   string
	causes []error
}

func (e *invalidError) Error() string   { return ErrInvalid.Error() + ":" + e.text }
func (e *invalidError) Unwrap() []error { return e.causes }

// String renders the report for a person: a heading, errors, warnings, and the
// fix below each. A clean report is the empty string.
func (r Report) String() string {
	if len(r) == 0 {
		return ""
	}
	var b strings.Builder
	count := map[Severity]int{}
	for _, p := range r {
		count[p.Severity]++
	}
	var heading []string
	for _, s := range []Severity{Error, Warning} {
		if count[s] > 0 {
			heading = append(heading, plural(count[s], s.String()))
		}
	}
	b.WriteString(strings.Join(heading, ", ") + "\n")
	for _, s := range []Severity{Error, Warning} {
		for _, p := range r {
			if p.Severity != s {
				continue
			}
			fmt.Fprintf(&b, "%s: %s\n", s, p)
			if p.Fix != "" {
				fmt.Fprintf(&b, "    fix: %s\n", p.Fix)
			}
		}
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
