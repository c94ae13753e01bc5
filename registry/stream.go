package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"time"
)

// How streams find out that they are dead, and how long they wait before the
// next attempt at most.
const (
	streamSilence = 2 * time.Minute
	pingEvery     = 30 * time.Second
	pingPatience  = 10 * time.Second
	streamMaxWait = 30 * time.Second
)

// errSilent: a stream has shown no sign of life for too long.
var errSilent = errors.New("no sign of life")

// follow is the life of an event stream: connect, read until it breaks, say so,
// wait, and again. read makes one connection and returns why it ended, nil if
// the consumer wants no more.
func (c *Client) follow(ctx context.Context, k call, read func(context.Context, call, func(Event) bool) error) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for failures := 0; ; failures++ {
			stopped := false
			err := read(ctx, k, func(e Event) bool {
				if e.Type != EventConnected {
					failures = 0 // a platform that accepts and hangs up gets no rest from this
				}
				stopped = !yield(e, nil)
				return !stopped
			})
			if stopped {
				return
			}
			if ctx.Err() != nil {
				yield(Event{}, callError(k, context.Cause(ctx)))
				return
			}
			if !yield(Event{}, err) || finally(err) {
				return
			}
			if err := sleep(ctx, c.streamWait(failures, err)); err != nil {
				yield(Event{}, callError(k, err))
				return
			}
		}
	}
}

// finally reports whether a stream will not come however often it is asked for.
func finally(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
		return errors.Is(err, errRedirect)
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false // a new token may be on its way
	}
	return true
}

func (c *Client) streamWait(failures int, err error) time.Duration {
	r := c.retry
	r.MaxWait = max(r.MaxWait, streamMaxWait)
	wait := jittered(r, failures, rand.Float64())
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		wait += min(e.RetryAfter, r.MaxRetryAfter)
	}
	return wait
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readSSE makes one connection to a stream of server-sent events and hands on
// what comes until it ends.
func (c *Client) readSSE(ctx context.Context, k call, yield func(Event) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// One watch for the whole connection: first over the answer, then over each
	// silence. It does not run while the consumer works.
	watch := time.AfterFunc(c.timeout, func() { cancel(fmt.Errorf("%w for %v", errSilent, c.timeout)) })
	defer watch.Stop()

	req, err := http.NewRequestWithContext(ctx, k.method, c.base.String()+k.path, nil)
	if err != nil {
		return callError(k, err)
	}
	c.headers(req, k, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.open.Do(req)
	if err != nil {
		return callError(k, causeOf(ctx, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !isEventStream(resp.Header.Get("Content-Type")) {
		return streamAnswer(k, resp)
	}
	if !watch.Stop() {
		return callError(k, causeOf(ctx, errSilent))
	}
	if !yield(Event{Type: EventConnected, WorkspaceID: c.workspace, Time: time.Now()}) {
		return nil
	}
	events := newSSEReader(resp.Body)
	for {
		silence := time.AfterFunc(streamSilence, func() { cancel(fmt.Errorf("%w for %v", errSilent, streamSilence)) })
		data, err := events.next()
		silence.Stop()
		if err != nil {
			return callError(k, causeOf(ctx, fmt.Errorf("read the stream: %w", err)))
		}
		e, err := readSSEEvent(data)
		if err != nil {
			return fmt.Errorf("registry: %s: %w: %w", k.op, ErrUnexpectedAnswer, err)
		}
		e.WorkspaceID = c.workspace
		if !yield(e) {
			return nil
		}
	}
}

// causeOf is why ctx has ended, if it has, and else err.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// streamAnswer makes an error of an answer that is no stream.
func streamAnswer(k call, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		return callError(k, fmt.Errorf("read the answer: %w", err))
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return unexpected(k, a, errors.New("no stream of events"))
	}
	return answerError(k, a)
}
