// Package registrytest is a platform you can hold in your hand: what
// net/http/httptest is to net/http, for those who test adapters and everything
// else that talks to the platform.
//
//	platform := registrytest.NewPlatform(t)
//	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555")
//	// point the workspace at platform.URL(), then:
//	rotated := row.RotateFile(registrytest.Rotation{Path: tokenFile, Lag: time.Second})
//
// It is an HTTP server that answers as the real one does, oddities included:
// the body is judged before the token; a workspace without any valid token may
// beat and register with whatever bearer, while its own routes refuse it; a
// heartbeat revives an offline workspace but does not make the platform watch
// it again; private addresses are refused without a reason. Its answers are
// checked against transcripts of a real server.
//
// # Where it lives
//
// On a loopback port, or, with [WithInMemory], in memory, where it works inside
// a testing/synctest bubble: a day of heartbeats takes well under a second.
// Listen for an agent with [Platform.Listen], and reach both sides through
// [Platform.Transport].
//
// # Making things fail
//
// [Platform.Fail] scripts the next requests, [WithFaults] lets a seeded share
// of all requests fail, [Platform.Down] takes the platform away,
// [Platform.DatabaseDown] takes its database away. [Workspace.Rotate],
// [Workspace.RotateFile] and [Workspace.Revoke] are the three ways in which a
// token ends. [Platform.CutStreams] breaks the streams of events.
//
// # Looking at what happened
//
// [Platform.Requests] has every request that arrived, with the how-manieth
// token it carried instead of the token; [Workspace.Heartbeats],
// [Workspace.History] and others have what the platform made of them.
// [Platform.Await] waits for a condition without polling. Programs that run for
// long call [Platform.ForgetRequests] now and then.
//
// # What it leaves out
//
// What this module's client does not call; the firing of schedules; restarts
// after a change of secrets; the cascades of a removal; shared context, which is
// always empty; PostgreSQL's skill in searching; organisation tokens and
// sessions; the development mode in which routes are open; the message an agent
// gets after a restart; an outage of the liveness store alone. Tokens are minted
// atomically, where the real platform may mint several for concurrent
// registrations.
package registrytest
