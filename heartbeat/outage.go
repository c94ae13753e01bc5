package heartbeat

import (
	"context"
	"log/slog"
	"time"
)

// outage counts consecutive failures of one thing and decides how loudly to
// say so. The zero value means that all is well.
type outage struct {
	since      time.Time
	count      int
	idleClosed bool // idle connections were closed once
}

// fail counts one failure.
func (o *outage) fail(now time.Time) {
	if o.count == 0 {
		o.since = now
	}
	o.count++
}

// alarming says that this has gone on for long enough to call an operator.
func (o *outage) alarming() bool { return o.count >= 3 }

// log says what failed: a warning for the first two, an error with what to do
// for the third and then every twentieth, and the rest for those who debug.
func (o *outage) log(log *slog.Logger, msg, remedy string, attrs ...slog.Attr) {
	level := slog.LevelDebug
	switch {
	case o.count <= 2:
		level = slog.LevelWarn
	case o.count == 3, o.count%20 == 0:
		level = slog.LevelError
		attrs = append(attrs, slog.String("do", remedy))
	}
	attrs = append(attrs, slog.Int("attempt", o.count))
	log.LogAttrs(context.Background(), level, msg, attrs...)
}
