package heartbeat

// SetRandom replaces the source of jitter, so that a test can have the same
// life twice. Call it before Run.
func (l *Loop) SetRandom(f func() float64) { l.random = f }

// SetRandom is the same for an Inbox.
func (b *Inbox) SetRandom(f func() float64) { b.random = f }

// AroundSave calls functions before and after each write of the file; an error of
// before is the write's, and the file stays as it was.
func (b *Inbox) AroundSave(before, after func() error) {
	save := b.save
	b.save = func(s inboxState) error {
		if err := before(); err != nil {
			return err
		}
		if err := save(s); err != nil {
			return err
		}
		return after()
	}
}

var (
	NoticeOf    = noticeOf
	DecodeInbox = decodeInbox
	RowOf       = rowOf
)
