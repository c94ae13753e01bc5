package platformauth

import (
	"crypto/subtle"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store holds the token of one workspace: the file it lives in and a cache of
// what the file said last. Make it with [NewStore]. All methods are safe for
// concurrent use, and several Stores, in one process or in many, may share a
// file.
//
// A Store that has a token answers [Store.Token], [Store.Authorization] and
// [Store.Check] from memory, also while a disk hangs.
type Store struct {
	path    string
	log     *slog.Logger
	poll    time.Duration
	minRead time.Duration

	current atomic.Pointer[entry] // nil until the first look at the disk
	reads   atomic.Int64          // reads of the file begun so far

	// turn has room for one: whoever puts something in has the file, and the
	// fields up to mu, to itself. Nobody waits for it who does not want the
	// disk, and who does wants the answer of the one before.
	turn   chan struct{}
	latest result // of the last refresh
	last   look   // the last read that could tell what is on disk
	doubt  doubt  // what the watch waits to see confirmed

	mu      sync.Mutex    // guards what follows; never held across I/O
	changed chan struct{} // closed when the cached value changes
	unsaved *unsaved      // set while a saved token is only in memory
}

// entry is one immutable state of the cache.
type entry struct {
	token  Token
	header []string // {"Bearer ..."}, nil without a token
	err    error    // why there is no token
}

// result is how a refresh ended that began with the number-th read.
type result struct {
	number int64
	err    error
}

// look is what a read found: when, and what the file was like just before.
type look struct {
	at   time.Time
	seen stamp
	err  error // nil or ErrInvalidToken
}

// NewStore makes a Store on the file at path, which need not exist yet; ""
// means [DefaultPath]. It does no I/O.
func NewStore(path string, opts ...Option) *Store {
	if path == "" {
		path = DefaultPath()
	}
	s := &Store{
		path:    path,
		log:     slog.New(slog.DiscardHandler),
		poll:    DefaultPollInterval,
		minRead: DefaultMinReread,
		turn:    make(chan struct{}, 1),
		changed: make(chan struct{}),
	}
	for _, o := range opts {
		o.apply(s)
	}
	return s
}

// Path is the file the token lives in.
func (s *Store) Path() string { return s.path }

// Token returns the token. The first call reads the disk, later ones the
// cache; [Store.Watch] and the refreshes keep that fresh. While there is no
// token, each call looks whether the file has changed.
//
// The error is [ErrNoToken] when there is none, [ErrInvalidToken] when the
// file holds something else, or the system's when the file cannot be read. A
// token once read is kept through the latter two: a file that cannot be read
// says nothing about it.
func (s *Store) Token() (Token, error) {
	e := s.load()
	return e.token, e.err
}

// Authorization returns the finished value of the Authorization header,
// {"Bearer x"}, or nil when there is no token. It is made once per token and
// must not be written to. The error is that of [Store.Token] except
// [ErrNoToken], since a request without a token is how a workspace gets its
// first one.
func (s *Store) Authorization() ([]string, error) { return s.load().authorization() }

func (e *entry) authorization() ([]string, error) {
	if errors.Is(e.err, ErrNoToken) {
		return nil, nil
	}
	return e.header, e.err
}

// load returns the cached entry, after a look at the disk if that holds no
// token.
func (s *Store) load() *entry {
	if e := s.current.Load(); e != nil && e.token != "" {
		return e
	}
	s.turn <- struct{}{}
	defer s.leave()
	if e := s.current.Load(); e != nil && (e.token != "" || s.untouched(tickMargin)) {
		return e
	}
	_ = s.read(0) // kept in the entry when there is no token to keep
	return s.current.Load()
}

// RefreshFromDisk drops the cache, reads the file and returns what it says
// now. A missing or empty file clears the cache and gives [ErrNoToken]. A file
// that cannot be read, or that holds no token, leaves the cache alone and
// gives the reason.
//
// The platform writes in place, so a file that has become empty, or shorter
// than the token in hand and unlike the platform's tokens, is read once more
// 10 ms later before it is believed.
//
// Calls at the same time may share a read, always one that began after the
// call did.
func (s *Store) RefreshFromDisk() (Token, error) {
	begun := s.reads.Load()
	s.turn <- struct{}{}
	defer s.leave()
	err := s.latest.err
	if s.latest.number <= begun {
		err = s.refresh()
	}
	if err != nil {
		return "", err
	}
	e := s.current.Load()
	return e.token, e.err
}

// RefreshIf is RefreshFromDisk unless the cache holds another token than stale
// already: then that one is returned and nothing is read. However many callers
// were refused with one token, the file is read once. The empty token is a
// value like any other: "I had none".
func (s *Store) RefreshIf(stale Token) (Token, error) {
	e, err := s.refreshIf(stale)
	if err != nil {
		return "", err
	}
	return e.token, e.err
}

// RefreshAuthorization is [Store.RefreshIf] in terms of header values, as
// returned by [Store.Authorization]: the value to send instead of stale, the
// same value when the file has nothing newer, nil when there is no token.
func (s *Store) RefreshAuthorization(stale []string) ([]string, error) {
	var old Token
	if len(stale) > 0 {
		old = Token(strings.TrimPrefix(stale[0], bearer))
	}
	e, err := s.refreshIf(old)
	if err != nil {
		return nil, err
	}
	return e.authorization()
}

func (s *Store) refreshIf(stale Token) (*entry, error) {
	if e := s.current.Load(); e.newerThan(stale) {
		return e, nil
	}
	s.turn <- struct{}{}
	defer s.leave()
	if e := s.current.Load(); e.newerThan(stale) {
		return e, nil // somebody else has refreshed while we waited
	}
	if time.Since(s.last.at) < s.minRead && s.untouched(tickMargin) {
		return s.current.Load(), s.last.err // read a moment ago, and nothing has touched it since
	}
	if err := s.refresh(); err != nil {
		return nil, err
	}
	return s.current.Load(), nil
}

// newerThan reports whether e has a token, and not stale.
func (e *entry) newerThan(stale Token) bool { return e != nil && e.token != "" && e.token != stale }

// Changed returns a channel that is closed when the cached value next changes,
// whatever changes it: a refresh, a [Store.Save] or a [Store.Watch]. Reading
// the file for the first time is no change. Take the channel before looking at
// the value.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Check reports whether an incoming Authorization header carries this
// workspace's token, in constant time. It fails closed: without a token, or
// with any other scheme than the exact "Bearer ", nobody passes.
func (s *Store) Check(header string) bool {
	want := s.load().token
	got, ok := strings.CutPrefix(header, bearer)
	if !ok || want == "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

const bearer = "Bearer "

func (s *Store) leave() { <-s.turn }

// refresh reads the file on behalf of somebody who waits. The caller has the
// turn.
func (s *Store) refresh() error {
	number := s.reads.Load() + 1
	err := s.read(hurry)
	for range 5 { // a file that changes all the time is taken as it is
		if !errors.Is(err, errUnsettled) {
			break
		}
		time.Sleep(hurry)
		err = s.read(hurry)
	}
	if errors.Is(err, errUnsettled) {
		err = s.read(0)
	}
	s.latest = result{number, err}
	return err
}

// read reads the file into the cache. Only a file that was read and holds a
// token, or that is certainly missing or empty, changes the cache; anything
// else is an error and leaves it. What may be half a write is errUnsettled
// until it has been seen for as long as settle. The caller has the turn.
func (s *Store) read(settle time.Duration) error {
	s.reads.Add(1)
	seen := stampOf(s.path) // before: what changes during the read is seen at the next look
	token, err := readToken(s.path)
	told := err == nil || errors.Is(err, ErrNoToken)
	switch {
	case told:
		s.last = look{at: time.Now(), seen: seen}
	case errors.Is(err, ErrInvalidToken):
		s.last = look{at: time.Now(), seen: seen, err: err}
	default:
		s.last = look{} // an error may pass without a trace on the file
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved.holdsAgainst(token, told) {
		return nil // the disk has not moved on; memory is newer
	}
	old := s.current.Load()
	if !told {
		if old == nil || old.token == "" {
			s.current.Store(&entry{err: err})
		}
		return err
	}
	first := old == nil
	if first {
		old = &entry{}
	}
	if !first && old.token != token && s.doubt.delays(old.token, token, settle) {
		s.last = look{} // nothing was learned
		return errUnsettled
	}
	s.unsaved, s.doubt = nil, doubt{}
	switch {
	case old.token != token:
		s.set(token, err, !first)
	case token == "" && !errors.Is(old.err, ErrNoToken):
		s.set("", err, false) // what could not be told before: there is none
	}
	return nil
}

// untouched reports whether the last read still tells what is on disk, by the
// look of the file from outside. The caller has the turn.
func (s *Store) untouched(margin time.Duration) bool {
	return !s.last.at.IsZero() && s.last.seen.proves(s.last.at, margin) && s.last.seen.same(stampOf(s.path))
}

// set makes token the cached value, or err the reason why there is none, and
// if announce tells those who wait for a change. s.mu is held.
func (s *Store) set(token Token, err error, announce bool) {
	e := &entry{token: token, err: err}
	if token != "" {
		e.header = []string{bearer + string(token)}[:1:1]
	}
	s.current.Store(e)
	if announce {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}
