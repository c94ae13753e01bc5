package heartbeat

import "time"

// Trace is a set of functions that a Loop calls when something happened. Any
// of them may be nil. They are called one after another, in the order of the
// events, from the goroutine of [Loop.Run] and outside all locks, so they must
// return quickly and must not wait for the Loop. A panic in one of them is a
// bug of the program: it is not swallowed, it goes up through Run after Run's
// own goroutines have ended.
type Trace struct {
	// Beat is called after each heartbeat.
	Beat func(BeatInfo)
	// Register is called after each registration.
	Register func(RegisterInfo)
	// UpdateCard is called after the card was pushed by update-card, which
	// happens when the registration was refused.
	UpdateCard func(UpdateCardInfo)
	// Look is called after each look at the workspace's row.
	Look func(LookInfo)
	// Verify is called after each call that checks the token.
	Verify func(VerifyInfo)
	// Unauthorized is called when a 401 begins a recovery, and again for every
	// call of that recovery that is answered 401.
	Unauthorized func(UnauthorizedInfo)
	// Recovered is called when the token is proved good after an Unauthorized,
	// and when a heartbeat is accepted after failed ones.
	Recovered func(RecoveredInfo)
	// TokenSaved is called after each try to save a token the platform issued.
	TokenSaved func(TokenSavedInfo)
}

// BeatReason says why a heartbeat was sent.
type BeatReason string

// The reasons for a heartbeat.
const (
	BeatFirst   BeatReason = "first"   // the first one of a Run
	BeatRegular BeatReason = "regular" // the interval has passed
	BeatNudge   BeatReason = "nudge"   // a task began or ended, the wedge changed, or Beat was called
	BeatToken   BeatReason = "token"   // the token changed, or the platform is back
	BeatRetry   BeatReason = "retry"   // the one before failed
	BeatLast    BeatReason = "last"    // Run ends
)

// BeatInfo describes one heartbeat.
type BeatInfo struct {
	Reason   BeatReason
	Start    time.Time
	Duration time.Duration
	Err      error     // nil when accepted
	Failures int       // consecutive failures, this one included
	Next     time.Time // when the next one is due; zero after the last
}

// RegisterInfo describes one registration.
type RegisterInfo struct {
	URL      string // the address that was offered
	Start    time.Time
	Duration time.Duration
	Minted   bool  // the platform issued a new token
	Refused  bool  // answered 400: the address or the card is not acceptable
	Err      error // nil when accepted
}

// UpdateCardInfo describes one push of the card.
type UpdateCardInfo struct {
	Start    time.Time
	Duration time.Duration
	Err      error
}

// LookInfo describes one look at the workspace's row.
type LookInfo struct {
	Start    time.Time
	Duration time.Duration
	Row      string // the status found; "" when Err is not nil
	Err      error
}

// VerifyInfo describes one check of the token.
type VerifyInfo struct {
	Start    time.Time
	Duration time.Duration
	Row      string // the status found; "" when Err is not nil
	Err      error
}

// UnauthorizedInfo describes a 401.
type UnauthorizedInfo struct {
	Call  string    // "beat", "register", "update-card" or "verify"; "" when another user of the transport met it or the token is gone
	Since time.Time // begin of the recovery
	Round int       // 0 for the 401 that began it
}

// RecoveredInfo describes the end of an outage.
type RecoveredInfo struct {
	Token  bool          // the token was in question; else heartbeats failed
	Outage time.Duration // from the first failure to the proof
	Rounds int           // failures or rounds it took
}

// TokenSavedInfo describes one try to save a token.
type TokenSavedInfo struct {
	Err   error // nil when it is on disk
	Again bool  // an earlier try failed
}
