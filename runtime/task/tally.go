package task

import "sync"

// tally counts goroutines as a [sync.WaitGroup] does, for who does not want to
// wait for them for ever.
type tally struct {
	mu   sync.Mutex // taken after all others
	n    int
	none chan struct{} // closed when there are none; nil while nobody waits
}

// Add counts n more, Done one less, and Go the goroutine in which it calls f.
func (c *tally) Add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += n; c.n == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

func (c *tally) Done() { c.Add(-1) }

func (c *tally) Go(f func()) {
	c.Add(1)
	go func() {
		defer c.Done()
		f()
	}()
}

// gone is closed when there are none.
func (c *tally) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		return closed
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	return c.none
}

// closed is what is waited for where there is nothing to wait for.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
