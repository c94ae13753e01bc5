package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// describe writes operations in a form that fits in one line of a failure.
func describe(ops []task.Op) string {
	var b strings.Builder
	for i, op := range ops {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == 12 {
			fmt.Fprintf(&b, "and %d more", len(ops)-i)
			break
		}
		switch op.Kind {
		case task.Put:
			fmt.Fprintf(&b, "put %s %q=%.40q", op.Bucket, op.Key, op.Value)
		case task.Create:
			fmt.Fprintf(&b, "create %s %q=%.40q", op.Bucket, op.Key, op.Value)
		case task.Expect:
			if op.Value == nil {
				fmt.Fprintf(&b, "expect no %s %q", op.Bucket, op.Key)
			} else {
				fmt.Fprintf(&b, "expect %s %q=%.40q", op.Bucket, op.Key, op.Value)
			}
		case task.Delete:
			fmt.Fprintf(&b, "delete %s %q", op.Bucket, op.Key)
		case task.DeleteRange:
			fmt.Fprintf(&b, "delete %s from %q to %q", op.Bucket, op.Key, op.To)
		default:
			fmt.Fprintf(&b, "kind %d", op.Kind)
		}
	}
	return b.String()
}

// differ returns how two lists of entries differ, empty when they do not. An
// empty value and nil are the same in an entry.
func differ(want, got []task.Entry) string {
	if slices.EqualFunc(want, got, func(a, b task.Entry) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value)
	}) {
		return ""
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}
