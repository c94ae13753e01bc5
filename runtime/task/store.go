package task

import (
	"context"
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Store keeps what an [Engine] must not forget: an ordered map of byte strings
// in a few named buckets, changed by atomic commits. What is in it is the
// engine's business; a store neither reads nor checks it, so one is written in
// an afternoon over anything that has ordered keys and transactions. Package
// storetest holds an implementation against this contract.
//
// [NewMemory] makes one in memory, package filestore one in a file. Methods are
// safe for concurrent use.
type Store interface {
	// Commit applies the operations in their order, all or none of them. When
	// it returns nil they are durable, as far as the store is, and every later
	// read sees them. [ErrConflict] in the error says that a [Create] or an
	// [Expect] has failed; nothing was changed then. The operations are not
	// kept or modified.
	Commit(ctx context.Context, ops []Op) error

	// Get returns a value, and [ErrNotFound] when the key has none. The caller
	// does not modify it. A store that can tell says [ErrDamaged].
	Get(ctx context.Context, b Bucket, key string) ([]byte, error)

	// Scan returns the entries of a range in the order of their keys, compared
	// byte by byte. They come from one moment between two commits. The caller
	// does not modify the values. With [ErrDamaged] it returns those before the
	// damage as well, with any other error nothing.
	Scan(ctx context.Context, r Range) ([]Entry, error)

	// Close gives the store's resources back. Nothing is called after it.
	Close() error
}

// Watcher is a [Store] that can tell what other processes have done. It is
// optional: without it an engine on a shared store looks again and again.
type Watcher interface {
	// Watch returns a channel that gets a value some time after another process
	// has committed something about a task (a value under its key in
	// [BucketTasks], or an event of it); several changes may come as one value,
	// and a value may come although nothing has changed. A missed one is not
	// lost, only late: the engine also looks by itself, less often. stop ends
	// the watch and gives back what it holds; it is called once, and nothing is
	// sent after it has returned. The watch ends with ctx as well; the channel
	// is not closed.
	Watch(ctx context.Context, id a2a.TaskID) (changed <-chan struct{}, stop func(), err error)
}

// Bucket names one of the maps of a [Store].
type Bucket string

// The buckets an [Engine] uses. What is in them may change with a version of
// this package; a key has 200 bytes at most in all of them.
const (
	BucketMeta     Bucket = "meta"     // the version of the format
	BucketTasks    Bucket = "tasks"    // one row for each task
	BucketEvents   Bucket = "events"   // the journals
	BucketOpen     Bucket = "open"     // which tasks have work left to do
	BucketListed   Bucket = "listed"   // tasks by owner and by time of their last change of status
	BucketFinished Bucket = "finished" // tasks at rest by the time since when, those that wait for their caller as well
	BucketMessages Bucket = "messages" // which message made which task
	BucketSeen     Bucket = "seen"     // messages by the time they came
	BucketPush     Bucket = "push"     // who wants to be told what happens to a task
	BucketOutbox   Bucket = "outbox"   // what is still to be told
	BucketOnce     Bucket = "once"     // side effects of turns
	BucketHosts    Bucket = "hosts"    // the processes that share the store
)

// Buckets returns all buckets, for a [Store] that makes them beforehand.
func Buckets() []Bucket {
	return []Bucket{
		BucketMeta, BucketTasks, BucketEvents, BucketOpen, BucketListed,
		BucketFinished, BucketMessages, BucketSeen, BucketPush, BucketOutbox,
		BucketOnce, BucketHosts,
	}
}

// OpKind says what an [Op] does.
type OpKind int

// The operations of a commit.
const (
	Put         OpKind = iota // set the value, whether or not there was one
	Create                    // set the value; [ErrConflict] when there is one
	Expect                    // change nothing; [ErrConflict] unless the value is this one (nil: unless there is none)
	Delete                    // remove the key, if it is there
	DeleteRange               // remove every key from Key on and before To
)

// Op is one operation of a commit.
type Op struct {
	Kind   OpKind
	Bucket Bucket
	Key    string
	To     string // of DeleteRange
	Value  []byte // of Put, Create and Expect; empty is not nil
}

// Range selects entries for [Store.Scan].
type Range struct {
	Bucket  Bucket
	From    string // the first key
	To      string // the first key after the range; empty: the range has no end
	Reverse bool   // from the last key to the first
	Limit   int    // how many entries at most; 0: all of them
}

// Entry is a key and its value.
type Entry struct {
	Key   string
	Value []byte
}

// What a [Store] returns, wrapped or not.
var (
	// ErrNotFound says that a key has no value.
	ErrNotFound = errors.New("task: not in the store")

	// ErrConflict says that a commit was refused because something is not as
	// it had to be: another process has changed it.
	ErrConflict = errors.New("task: the store was changed by somebody else")

	// ErrDamaged says that a value is not what was written. It is not there any
	// more: the engine deals with that once and for all, while it waits for what
	// merely cannot be read at the moment.
	ErrDamaged = errors.New("task: a value in the store is not what was written")
)
