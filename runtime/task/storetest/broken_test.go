package storetest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/storetest"
)

// broken is a store with one fault, and the part of the suite that has to say so.
type broken struct {
	task.Store
	commit func(context.Context, task.Store, []task.Op) error
	get    func(context.Context, task.Store, task.Bucket, string) ([]byte, error)
	scan   func(context.Context, task.Store, task.Range) ([]task.Entry, error)
}

func (b broken) Commit(ctx context.Context, ops []task.Op) error {
	if b.commit == nil {
		return b.Store.Commit(ctx, ops)
	}
	return b.commit(ctx, b.Store, ops)
}

func (b broken) Get(ctx context.Context, bucket task.Bucket, key string) ([]byte, error) {
	if b.get == nil {
		return b.Store.Get(ctx, bucket, key)
	}
	return b.get(ctx, b.Store, bucket, key)
}

func (b broken) Scan(ctx context.Context, r task.Range) ([]task.Entry, error) {
	if b.scan == nil {
		return b.Store.Scan(ctx, r)
	}
	return b.scan(ctx, b.Store, r)
}

var faults = map[string]struct {
	store broken
	part  string
}{
	"applies before it checks": {part: "RefusedChangesNothing", store: broken{
		commit: func(ctx context.Context, s task.Store, ops []task.Op) error {
			for i := range ops {
				if err := s.Commit(ctx, ops[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		},
	}},
	"shows commits in pieces": {part: "ConditionsHoldBefore", store: broken{
		commit: func(ctx context.Context, s task.Store, ops []task.Op) error {
			var errs []error
			for i := range ops {
				errs = append(errs, s.Commit(ctx, ops[i:i+1]))
			}
			return errors.Join(errs...)
		},
	}},
	"takes empty for absent": {part: "EmptyIsNotAbsent", store: broken{
		commit: func(ctx context.Context, s task.Store, ops []task.Op) error {
			ops = slices.Clone(ops)
			for i := range ops {
				if ops[i].Kind == task.Expect && len(ops[i].Value) == 0 {
					ops[i].Value = nil
				}
			}
			return s.Commit(ctx, ops)
		},
	}},
	"overwrites at Create": {part: "Create", store: broken{
		commit: func(ctx context.Context, s task.Store, ops []task.Op) error {
			ops = slices.Clone(ops)
			for i := range ops {
				if ops[i].Kind == task.Create {
					ops[i].Kind = task.Put
				}
			}
			return s.Commit(ctx, ops)
		},
	}},
	"removes the end of a range": {part: "DeleteRange", store: broken{
		commit: func(ctx context.Context, s task.Store, ops []task.Op) error {
			ops = slices.Clone(ops)
			for i := range ops {
				if ops[i].Kind == task.DeleteRange {
					ops[i].To += "\x00"
				}
			}
			return s.Commit(ctx, ops)
		},
	}},
	"wraps no conflict": {part: "Expect", store: broken{
		commit: func(ctx context.Context, s task.Store, ops []task.Op) error {
			if err := s.Commit(ctx, ops); err != nil {
				return errors.New(err.Error())
			}
			return nil
		},
	}},
	"returns nil for what is not there": {part: "Delete", store: broken{
		get: func(ctx context.Context, s task.Store, b task.Bucket, key string) ([]byte, error) {
			value, err := s.Get(ctx, b, key)
			if errors.Is(err, task.ErrNotFound) {
				return nil, nil
			}
			return value, err
		},
	}},
	"ends keys at NUL": {part: "AnyBytes", store: broken{
		get: func(ctx context.Context, s task.Store, b task.Bucket, key string) ([]byte, error) {
			key, _, _ = strings.Cut(key, "\x00")
			return s.Get(ctx, b, key)
		},
	}},
	"scans beyond To": {part: "Scan", store: broken{
		scan: func(ctx context.Context, s task.Store, r task.Range) ([]task.Entry, error) {
			if r.To != "" {
				r.To += "\x00"
			}
			return s.Scan(ctx, r)
		},
	}},
	"limits before it reverses": {part: "Model", store: broken{
		scan: func(ctx context.Context, s task.Store, r task.Range) ([]task.Entry, error) {
			reverse := r.Reverse
			r.Reverse = false
			found, err := s.Scan(ctx, r)
			if reverse {
				slices.Reverse(found)
			}
			return found, err
		},
	}},
	"scans in pieces": {part: "ReadersSeeWholeCommits", store: broken{
		scan: func(ctx context.Context, s task.Store, r task.Range) ([]task.Entry, error) {
			found, err := s.Scan(ctx, r)
			for i := range found {
				if i == len(found)/2 {
					time.Sleep(time.Millisecond) // so that a commit comes between, on a busy machine too
				}
				if value, err := s.Get(ctx, r.Bucket, found[i].Key); err == nil {
					found[i].Value = value
				}
			}
			return found, err
		},
	}},
}

const faultVariable = "STORETEST_FAULT"

// TestBroken is what TestFindsFaults runs in a process of its own, where
// failing does no harm.
func TestBroken(t *testing.T) {
	fault, ok := faults[os.Getenv(faultVariable)]
	if !ok {
		t.Skip("runs in the process that TestFindsFaults starts")
	}
	storetest.Test(t, func(*testing.T) task.Store {
		store := fault.store
		store.Store = task.NewMemory()
		return store
	})
}

func TestFindsFaults(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$/^"+fault.part+"$")
			cmd.Env = append(os.Environ(), faultVariable+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: TestBroken/"+fault.part) {
				t.Errorf("a store that %s passed %s (%v):\n%s", name, fault.part, err, out)
			}
		})
	}
}
