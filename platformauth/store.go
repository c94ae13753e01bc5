package platformauth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store holds the token of one workspace: the file it lives in and a cache of
// what the file said last. Make it with [NewStore]. All methods are safe for
// concurrent use, and several Stores, in one process or in many, may share a
// file.
type Store struct {
	path    string
	log     *slog.Logger
	poll    time.Duration
	minRead time.Duration

	current atomic.Pointer[entry] // nil until the first read
	reads   atomic.Int64          // disk reads, for tests that count them

	mu       sync.Mutex    // guards what follows, and serialises reads and writes of the file
	changed  chan struct{} // closed when the cached value changes
	unsaved  *unsaved      // set while a saved token is only in memory
	lastRead time.Time     // of the last read that found no change
	lastStat stamp         // of the file at that read
}

// entry is one immutable state of the cache.
type entry struct {
	token  Token
	header []string // {"Bearer ..."}, nil without a token
	err    error    // why there is no token, or ErrNoToken
}

// unsaved remembers what the disk held when a token could not be written to
// it, so that a later read can tell old news from a newer token.
type unsaved struct{ disk Token }

// stamp tells whether a file may have changed without reading it.
type stamp struct {
	mod   time.Time
	size  int64
	inode fs.FileInfo
}

// Option changes what [NewStore] makes.
type Option interface{ apply(*Store) }

type optionFunc func(*Store)

func (f optionFunc) apply(s *Store) { f(s) }

// WithLogger sets where the Store reports what nobody asked it about, such as
// a watch that had to fall back to polling. Default: nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(s *Store) {
		if l != nil {
			s.log = l
		}
	})
}

// WithPollInterval sets how often [Store.Watch] looks at the file where the
// system cannot tell it of changes. Default: 200 ms. Where the system can, a
// look every five intervals catches what it missed.
func WithPollInterval(d time.Duration) Option {
	return optionFunc(func(s *Store) {
		if d > 0 {
			s.poll = d
		}
	})
}

// WithMinReread sets the floor between two reads that find the file unchanged,
// so that a platform which answers 401 to everything does not turn each call
// into a disk read. A file whose size, time or identity has changed is always
// read. Default: 50 ms; zero or less means no floor.
func WithMinReread(d time.Duration) Option {
	return optionFunc(func(s *Store) { s.minRead = d })
}

// DefaultPath is where the platform puts the token of the workspace this
// process is: $CONFIGS_DIR/.auth_token, else
// $WORKSPACE_CONFIG_PATH/.auth_token, else /configs/.auth_token.
func DefaultPath() string {
	dir := os.Getenv("CONFIGS_DIR")
	if dir == "" {
		dir = os.Getenv("WORKSPACE_CONFIG_PATH")
	}
	if dir == "" {
		dir = "/configs"
	}
	return filepath.Join(dir, ".auth_token")
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
		poll:    200 * time.Millisecond,
		minRead: 50 * time.Millisecond,
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
// cache; [Store.Watch] and the refreshes keep that fresh. The error is
// [ErrNoToken] when there is none, [ErrInvalidToken] when the file holds
// something else, or the read error when the very first read failed.
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

// load returns the cached entry, reading the disk if nothing is cached yet.
func (s *Store) load() *entry {
	if e := s.current.Load(); e != nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.current.Load(); e != nil {
		return e
	}
	e, err := s.read(eager)
	if err != nil {
		return &entry{err: err} // not cached: the next call tries again
	}
	return e
}

// RefreshFromDisk drops the cache, reads the file and returns what it says
// now. A missing or empty file clears the cache and gives [ErrNoToken]. A file
// that cannot be read, or that holds no token, leaves the cache alone and
// gives the reason.
func (s *Store) RefreshFromDisk() (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.read(eager)
	if err != nil {
		return "", err
	}
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
	if e := s.current.Load(); e != nil && e.token != stale {
		return e, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.current.Load()
	if e != nil && e.token != stale {
		return e, nil // somebody else has refreshed while we waited
	}
	if e != nil && !s.lastRead.IsZero() && time.Since(s.lastRead) < s.minRead {
		if now, err := s.stat(); err == nil && now.same(s.lastStat) {
			return e, nil // read a moment ago, and nothing has touched it since
		}
	}
	return s.read(eager)
}

// Changed returns a channel that is closed when the cached value next changes,
// whatever changes it: a refresh, a [Store.Save] or a [Store.Watch]. Take it
// before looking at the value.
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

// read reads the file into the cache. Only a file that was read and holds a
// token, or that is certainly missing or empty, changes the cache; anything
// else is an error and leaves it. s.mu is held: the file is local and small,
// and whoever else wants it wants the same answer.
func (s *Store) read(m manner) (*entry, error) {
	s.reads.Add(1)
	before, statErr := s.stat()
	token, err := readToken(s.path)
	if err != nil && !errors.Is(err, ErrNoToken) {
		return nil, err
	}
	if s.unsaved != nil {
		if token == s.unsaved.disk {
			return s.current.Load(), nil // the disk has not moved on; memory is newer
		}
		s.unsaved = nil
	}
	old := s.current.Load()
	if old != nil && old.token == token {
		s.lastRead, s.lastStat = time.Now(), before
		if statErr != nil {
			s.lastRead = time.Time{}
		}
		return old, nil
	}
	if m == patient && !plausible(token) {
		return nil, errUnsettled
	}
	s.lastRead = time.Time{}
	return s.set(token, old != nil), nil
}

// manner is how to take a file that does not look like a finished token.
type manner int

const (
	eager   manner = iota // take what is there
	patient               // it may be half a write: errUnsettled
)

// errUnsettled: the file has changed to something that is not what the
// platform writes; a look a moment later will tell.
var errUnsettled = errors.New("token file may be half written")

// plausible reports whether token has the form of the platform's tokens:
// 32 bytes in unpadded base64url. The platform writes in place and not
// atomically, so what is shorter may be the beginning of one.
func plausible(token Token) bool {
	if len(token) != 43 {
		return false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// set makes token the cached value and, if announce, tells those who wait for
// a change. s.mu is held.
func (s *Store) set(token Token, announce bool) *entry {
	e := &entry{token: token}
	if token == "" {
		e.err = fmt.Errorf("%w in %s", ErrNoToken, s.path)
	} else {
		e.header = []string{bearer + string(token)}[:1:1]
	}
	s.current.Store(e)
	if announce {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return e
}

func (s *Store) stat() (stamp, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{mod: info.ModTime(), size: info.Size(), inode: info}, nil
}

func (a stamp) same(b stamp) bool {
	return a.size == b.size && a.mod.Equal(b.mod) && os.SameFile(a.inode, b.inode)
}

// readToken reads the token in the file at path.
func readToken(path string) (Token, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w in %s", ErrNoToken, path)
	}
	if err != nil {
		return "", fmt.Errorf("read workspace token: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s is not a regular file; remove it, and the platform or the next registration writes the token", ErrInvalidToken, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, MaxTokenSize+1))
	if err != nil {
		return "", fmt.Errorf("read workspace token: %w", err)
	}
	if len(raw) > MaxTokenSize {
		return "", fmt.Errorf("%w: %s has more than %d bytes", ErrInvalidToken, path, MaxTokenSize)
	}
	token, err := parse(string(raw))
	if err != nil {
		return "", fmt.Errorf("%w in %s", err, path)
	}
	return token, nil
}
