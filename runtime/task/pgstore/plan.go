package pgstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// What one commit may hold: PostgreSQL's own bounds on an index row and on a
// message, with room to spare.
const (
	maxKey    = 2000
	maxCommit = 256 << 20
)

// plan is what the operations of a commit come to: conditions on what was there
// before it, and what is there after it.
type plan struct {
	expect columns // values may be nil
	remove columns // keys are the first of a range, values the first behind it
	set    columns
}

// columns are the arrays that the server makes a table of.
type columns struct {
	buckets      []string
	keys, values [][]byte
}

func (c *columns) add(b task.Bucket, key, value []byte) {
	c.buckets = append(c.buckets, string(b))
	c.keys = append(c.keys, key)
	c.values = append(c.values, value)
}

// place names an entry.
type place struct {
	bucket task.Bucket
	key    string
}

func (p place) compare(q place) int {
	if c := strings.Compare(string(p.bucket), string(q.bucket)); c != 0 {
		return c
	}
	return strings.Compare(p.key, q.key)
}

// newPlan finds operations that cannot be done whatever the database holds. What
// the operations come to does not depend on it either, and so is found out here:
// each is applied to what those before it left.
func newPlan(ops []task.Op) (*plan, error) {
	if err := check(ops); err != nil {
		return nil, err
	}
	p := &plan{}
	final := map[place][]byte{} // nil: removed
	var ranges []task.Op
	for _, op := range ops {
		at := place{op.Bucket, op.Key}
		switch op.Kind {
		case task.Put:
			final[at] = present(op.Value)
		case task.Create:
			final[at] = present(op.Value)
			p.expect.add(op.Bucket, []byte(op.Key), nil)
		case task.Expect:
			p.expect.add(op.Bucket, []byte(op.Key), op.Value)
		case task.Delete:
			final[at] = nil
		case task.DeleteRange:
			for set := range final {
				if set.bucket == op.Bucket && set.key >= op.Key && set.key < op.To {
					delete(final, set)
				}
			}
			if op.Key < op.To {
				ranges = append(ranges, op)
			}
		}
	}
	// In one order everywhere, which is also kind to the index.
	places := make([]place, 0, len(final))
	for at := range final {
		places = append(places, at)
	}
	slices.SortFunc(places, place.compare)
	var set []place
	for _, at := range places {
		key := []byte(at.key)
		if value := final[at]; value != nil {
			p.set.add(at.bucket, key, value)
			set = append(set, at)
		} else {
			p.remove.add(at.bucket, key, next(key))
		}
	}
	for _, r := range ranges {
		p.removeAround(r, set)
	}
	return p, nil
}

// removeAround removes a range except for what is set in it: one statement must
// not touch an entry twice.
func (p *plan) removeAround(r task.Op, set []place) {
	from, to := []byte(r.Key), []byte(r.To)
	begin, _ := slices.BinarySearchFunc(set, place{r.Bucket, r.Key}, place.compare)
	for _, at := range set[begin:] {
		if at.bucket != r.Bucket || at.key >= r.To {
			break
		}
		key := []byte(at.key)
		if string(from) < at.key {
			p.remove.add(r.Bucket, from, key)
		}
		from = next(key)
	}
	if string(from) < r.To {
		p.remove.add(r.Bucket, from, to)
	}
}

// present is a value that is there, if only as an empty one.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

func check(ops []task.Op) error {
	size := 0
	for _, op := range ops {
		if err := known(op.Bucket); err != nil {
			return err
		}
		if op.Kind < task.Put || op.Kind > task.DeleteRange {
			return fmt.Errorf("pgstore: there is no operation of kind %d", op.Kind)
		}
		if n := max(len(op.Key), len(op.To)); n > maxKey {
			return fmt.Errorf("pgstore: a key of %d bytes in bucket %s, %d is the most", n, op.Bucket, maxKey)
		}
		size += len(op.Key) + len(op.To) + len(op.Value)
	}
	if size > maxCommit {
		return fmt.Errorf("pgstore: a commit of %d bytes, %d is the most: make several of it", size, maxCommit)
	}
	return nil
}
