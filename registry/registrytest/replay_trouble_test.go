package registrytest_test

import (
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const (
	answersID = "6a4638e9-2ee2-4164-98c8-d3fcd65d305e"
	failingID = "62ef18b7-a647-46f2-9fee-304e8d8e6ed4"
	localID   = "ecf2968f-8bc3-4a50-afeb-f0d43e399a47"
	goneID    = "bcaa36a4-9cc0-4e7d-9ce0-653825fd3062"
	childID   = "1014862f-66f4-43ae-924b-cbbdf100936c"
	parentID  = "37332818-44ae-4238-a419-8a8364482223"
	backendID = "5df902ef-905d-4a78-8732-13c327902ff0"
)

// at moves a workspace's agent to another address.
func at(id, url string) func(*replay, *block) {
	return func(r *replay, _ *block) { r.register(id, url) }
}

func wait(d time.Duration) func(*replay, *block) {
	return func(*replay, *block) { time.Sleep(d) }
}

var transcriptsOfTrouble = []transcript{
	{
		file:  "12-a2a-answers.txt",
		setup: func(r *replay) { r.registered(answersID, "/echo", "") },
		before: map[string]func(*replay, *block){
			"agent path /echo":       at(answersID, "/echo"),
			"agent path /type":       at(answersID, "/type"),
			"agent path /task":       at(answersID, "/task"),
			"agent path /taskstatus": at(answersID, "/taskstatus"),
			"agent path /rpcerr":     at(answersID, "/rpcerr"),
			"agent path /err500":     at(answersID, "/err500"),
			"agent path /err400obj":  at(answersID, "/err400obj"),
			"agent path /202":        at(answersID, "/202"),
			"agent path /plain":      at(answersID, "/plain"),
			"agent path /empty":      at(answersID, "/empty"),
			"agent path /302":        at(answersID, "/302"),
			"agent path /usage":      at(answersID, "/usage"),
			"agent path /partial":    at(answersID, "/partial"),
			"url without a path":     at(answersID, "http://localhost:19101"),
			"url with userinfo":      at(answersID, "http://user:pw@localhost:19101/echo?x=1#frag"),
		},
		skip: map[string]string{"agent answers 12 MiB": "its answer is not recorded whole"},
	},
	{
		file: "13-a2a-failures.txt",
		setup: func(r *replay) {
			r.registered(failingID, "http://localhost:1/", "7MCNvOWTEDIcECsu_Gpe1jDYZxYRN1XeoF2Uzzj2adI")
			r.registered("a1ba3d98-ca75-42f3-b6a5-4e17c7e59103", "/echo", "uQhnp7D4-Hp53j9NC2nVY2qtTJ98TuyPn5zAe1j8r1s")
		},
		before: map[string]func(*replay, *block){
			"slow agent 3 s":                  at(failingID, "/slow/3"),
			"X-Timeout: 1":                    at(failingID, "/slow/4"),
			"heartbeat active_tasks=0 drains": at(failingID, "/echo"),
			"idle timeout fires":              at(failingID, "/slow/4"),
			"agent closes the socket":         at(failingID, "/drop"),
			"agent resets the connection":     at(failingID, "/rst"),
			"heartbeat: drain gets a 500":     at(failingID, "/err500"),
			"heartbeat: drained":              at(failingID, "/echo"),
			"dropped, native_session":         at(failingID, "/drop"),
		},
		skip: map[string]string{"activity": "it names sockets"},
	},
	{
		file: "25-production-mode.txt",
		opts: []registrytest.Option{registrytest.WithProduction(), registrytest.WithRateLimit(1000)},
		setup: func(r *replay) {
			const team = "16eda77b-ddbb-4d4e-a5a5-b9d2ca3346c0"
			r.registered(localID, "/echo", "QEwgMFHbBX94pwmWgpbOoPcBb8juasUiyoLiJ6vPb0Q",
				registrytest.WithParent(team), registrytest.WithRuntime("external"))
			r.registered("c48bdf1e-aa44-457b-ad47-003f5cf8d701", "/echo", "eXR03wNkbt5sn9YKzS9_bDkFrd9ofLFcCQWEn87sTYA",
				registrytest.WithParent(team))
		},
		before: map[string]func(*replay, *block){"list (502": wait(9 * time.Second)},
		skip:   map[string]string{"test-token": noSuchRoute},
	},
	{
		file: "26-rate-limit.txt",
		opts: []registrytest.Option{registrytest.WithRateLimit(5)},
		setup: func(r *replay) { // two requests, as the real server's start made
			r.registered(localID, "/echo", "QEwgMFHbBX94pwmWgpbOoPcBb8juasUiyoLiJ6vPb0Q")
			_, _, _, _ = r.send(block{method: "GET", path: "/health"})
		},
		before: map[string]func(*replay, *block){
			"after Retry-After seconds": wait(59 * time.Second),
			"one second later":          wait(time.Second),
		},
	},
	{
		file: "28-removed.txt",
		setup: func(r *replay) {
			r.registered(parentID, "/echo", "")
			r.registered(goneID, "/echo", "Cqt1zCO9JIpbCRXf30_Qr2ZpslOKfS7U6kORwW0k2ck",
				registrytest.WithParent(parentID), registrytest.WithRuntime("external"))
			r.registered(childID, "/echo", "1or0yVKqv0EiAPYisEkisQEQQ0pg2Xjx09zxX5yXfA4",
				registrytest.WithParent(parentID), registrytest.WithRuntime("external"))
		},
		before: map[string]func(*replay, *block){
			"GET by id still answers":         func(r *replay, _ *block) { r.row(goneID).Remove() },
			"GET /workspaces/:id after purge": func(r *replay, _ *block) { r.row(goneID).Purge() },
			"GET /workspaces/:id child":       func(r *replay, _ *block) { r.row(childID).Remove() },
		},
		skip: map[string]string{
			"delete": "done through Workspace.Remove", "hard purge": "done through Workspace.Purge",
			"cascade delete": "done through Workspace.Remove", "SSE/WS": noSuchRoute,
		},
	},
	{
		file: "30-backend-down.txt",
		setup: func(r *replay) {
			r.registered(backendID, "/echo", "vVKNNdgpS9Mm93Mdk1OnafkY5HSj6PERQc0ie2HaS0g")
			r.registered("c6005527-4198-4822-a7f5-91a3c5c12a5c", "/echo", "4p-YMv9Opdfxea4jNYz7I-FjBMHHW_O43u1To9-X4i0")
			r.p.DatabaseDown(true)
		},
		before: map[string]func(*replay, *block){
			"back: first heartbeat": func(r *replay, _ *block) { r.p.DatabaseDown(false) },
		},
	},
	{
		file: "31-http-level.txt",
		setup: func(r *replay) {
			r.registered("5da1817c-fa73-43ea-bbfe-19717bdb6898", "/echo", "j9fujhaJ20LX34YUKqF9XD2ZE8tGqX51_7XF8s4xjVg")
		},
		skip: map[string]string{
			"metrics": noSuchRoute, "mcp": noSuchRoute, "audit": noSuchRoute, "gzip is not offered": noSuchRoute,
			"upper-case workspace id in the path": noSuchRoute,
		},
	},
}
