package heartbeat

import "time"

// Status is a snapshot of a Loop, made for readiness endpoints and telemetry.
// See [Loop.Status].
type Status struct {
	// Registered says that the platform has accepted a registration of this Run.
	Registered bool
	// RegisterRefused says that the platform refused the registration with 400,
	// as a stock local platform does with every container's private address.
	// The workspace is alive by its heartbeats all the same, so this is no
	// reason to be unready. It is tried again when the address changes.
	RegisterRefused bool
	// TokenAccepted says that the token in hand was proved by a call that cannot
	// succeed without it. An accepted heartbeat proves nothing: the platform
	// answers 200 to any bearer while the workspace has no live token.
	TokenAccepted bool
	// TokenPersisted is false while a token that the platform issued lives only
	// in memory because it could not be saved. A restart would lose it, and the
	// platform shows it only once.
	TokenPersisted bool
	// Row is the workspace's status on the platform when it was last looked at:
	// "online", "paused", "removed" and so on; "" when it never was.
	Row string
	// LastAccepted is when the platform last accepted a heartbeat; zero when it
	// never did.
	LastAccepted time.Time
	// LastError is the newest failure of any of the Loop's calls, nil when all
	// is well again.
	LastError error
	// Failures counts the heartbeats that failed since the last accepted one.
	Failures int
	// NextBeat is when the next heartbeat is due if nothing asks for an earlier
	// one; zero when Run is not running or waits for the first registration.
	NextBeat time.Time
	// Alarm says what an operator has to do, in a sentence; "" when nothing.
	Alarm string
}
