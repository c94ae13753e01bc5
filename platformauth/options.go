package platformauth

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// What a [Store] does unless an [Option] says otherwise.
const (
	// DefaultPollInterval is how often [Store.Watch] looks at the file where
	// the system cannot tell it of changes; see [WithPollInterval].
	DefaultPollInterval = 200 * time.Millisecond
	// DefaultMinReread is the floor between two reads on behalf of refused
	// calls; see [WithMinReread].
	DefaultMinReread = 50 * time.Millisecond
)

// Option changes what [NewStore] makes.
type Option interface{ apply(*Store) }

type optionFunc func(*Store)

func (f optionFunc) apply(s *Store) { f(s) }

// WithLogger sets where the Store reports what nobody asked it about, such as
// a watch that has to poll. Default, and with nil: nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(s *Store) {
		if l != nil {
			s.log = l
		}
	})
}

// WithPollInterval sets how often [Store.Watch] looks at the file where the
// system cannot tell it of changes. Default, and with zero or less:
// [DefaultPollInterval]. Where the system can, a look every five intervals
// catches what it missed.
func WithPollInterval(d time.Duration) Option {
	return optionFunc(func(s *Store) {
		if d > 0 {
			s.poll = d
		}
	})
}

// WithMinReread sets the floor between two reads on behalf of refused calls
// ([Store.RefreshIf], [Store.RefreshAuthorization]), so that a platform which
// answers 401 to everything does not turn each call into a disk read. A file
// whose size, time or identity has changed is read whenever it is asked for.
// Default: [DefaultMinReread]; zero or less means no floor.
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
