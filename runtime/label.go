package runtime

import (
	"sync"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

// label is what the platform shows of one running turn.
type label struct {
	state *heartbeat.State

	mu    sync.Mutex // guards what follows
	close func()     // nil when the turn is over
}

func newLabel(s *heartbeat.State, text string) *label {
	return &label{state: s, close: s.Begin(text)}
}

// set changes the text. The new one begins before the old one ends, so that the
// workspace never looks idle in between.
func (l *label) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.close == nil {
		return
	}
	end := l.close
	l.close = l.state.Begin(text)
	end()
}

func (l *label) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.close != nil {
		l.close()
		l.close = nil
	}
}
