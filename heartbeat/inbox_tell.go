package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// maxNotices bounds the messages that wait for a platform that takes none.
const maxNotices = 1000

func (s *inboxState) addNotice(id, text string) {
	if len(s.Notices) >= maxNotices {
		s.Notices = slices.Delete(s.Notices, 0, 1)
	}
	s.Notices = append(s.Notices, &notice{DelegationID: id, Text: text})
}

// tells sends what is to be told to the user until ctx ends. The platform knows
// no key that would make a repeat harmless, so a message is sent once at most:
// that it is on its way is in the file first, and it is repeated only when it
// certainly did not arrive. One whose fate nobody knows, because the process
// died or the answer was lost, is not.
func (b *Inbox) tells(ctx context.Context) {
	b.mu.Lock()
	b.state.Notices = slices.DeleteFunc(b.state.Notices, func(n *notice) bool { return n.Sending })
	b.mu.Unlock()
	pace := backoff{base: 500 * time.Millisecond, limit: 4 * b.cfg.Interval}
	var out outage
	for ctx.Err() == nil {
		b.mu.Lock()
		var n *notice
		if len(b.state.Notices) > 0 {
			n = b.state.Notices[0]
			n.Sending = true
		}
		b.mu.Unlock()
		if n == nil {
			if !rest(ctx, time.Hour, b.tell) {
				return
			}
			continue
		}
		if b.change(ctx, func(*inboxState) {}) != nil {
			return
		}
		call, cancel := context.WithTimeout(ctx, min(maxCallTimeout, b.cfg.Interval/3))
		err := b.cfg.Client.Notify(call, registry.NotifyRequest{Message: n.Text})
		cancel()
		if again(err) {
			_ = b.change(ctx, func(*inboxState) { n.Sending = false })
			now := time.Now()
			kind, asked := classify(err)
			out.fail(now)
			out.log(b.log, "the user cannot be notified of a result", remedy(kind, err), slog.Any("error", err))
			if !rest(ctx, max(pace.wait(now, kind, b.random()), min(asked, 4*b.cfg.Interval)), nil) {
				return
			}
			continue
		}
		if err != nil {
			b.log.Warn("whether the user was notified of a result is not known, it is not repeated",
				slog.String("delegation_id", n.DelegationID), slog.Any("error", err))
		}
		out = outage{}
		pace.reset()
		if b.change(ctx, func(s *inboxState) {
			s.Notices = slices.DeleteFunc(s.Notices, func(o *notice) bool { return o == n })
		}) != nil {
			return
		}
	}
}

// again reports whether a notification certainly did not arrive and may arrive
// next time.
func again(err error) bool {
	var e *registry.Error
	if errors.As(err, &e) {
		// 502 and 504 are a proxy's, that does not know what became of it.
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	}
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// noticeOf is what the user reads of a result.
func noticeOf(r Result) string {
	text := "Delegation to " + target(r) + " " + r.Status
	switch {
	case r.Error != "":
		text += ": " + clean(r.Error, 100)
	case r.Response != "":
		text += ": " + clean(r.Response, 200)
	}
	return uncut(text)
}

// target is how a result names the workspace that did the work.
func target(r Result) string {
	if r.TargetID == "" {
		return "a workspace"
	}
	return r.TargetID[:min(8, len(r.TargetID))]
}

// storedBytes is where the platform cuts the stored form of a message. A cut
// inside a character loses the message from the history.
const storedBytes = 80

// uncut moves a character that would be cut behind the cut.
func uncut(text string) string {
	if len(text) <= storedBytes || utf8.RuneStart(text[storedBytes]) {
		return text
	}
	at := storedBytes
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return text[:at] + strings.Repeat(" ", storedBytes-at) + text[at:]
}

// lost says how many messages were on their way when the process died.
func (b *Inbox) lost() {
	for _, n := range b.state.Notices {
		if n.Sending {
			b.log.Warn("whether the user was notified of a result is not known, it is not repeated",
				slog.String("delegation_id", n.DelegationID), slog.Any("error", errors.New("the process ended meanwhile")))
		}
	}
}
