package registrytest_test

import (
	"fmt"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const noSuchRoute = "the double does not serve this route"

// beat makes hb.json, whose text the transcripts name only.
func beat(id, field, text string) func(*replay, *block) {
	return func(_ *replay, b *block) {
		b.body = fmt.Sprintf(`{"workspace_id":"%s","%s":"%s"}`, id, field, text)
	}
}

const sizesID = "a0cd6ba2-ab95-4f14-be39-fb62584dfa98"

var transcriptsOfWorkspaces = []transcript{
	{
		file: "01-register-first.txt",
		setup: func(r *replay) {
			r.row("614485d9-5763-461f-a29f-2daceb6a08ed", registrytest.WithRuntime("external"))
			r.row("d46a1a3a-58a4-461a-825b-4d46d92c85c9")
			w := r.row("5727cf2e-a3f4-4216-ac11-ad5184184e70", registrytest.WithRuntime("external"))
			r.tokens["6RfgHGOPR8UisN5df3r_XUqkV_Cla6H2ovFAJMpa1bo"] = w.IssueToken()
		},
	},
	{
		file: "02-register-urls.txt",
		setup: func(r *replay) {
			r.row("7d8ed1e9-8e34-477b-875f-6625560397df", registrytest.WithURL("http://127.0.0.1:19101/echo"))
		},
	},
	{
		file: "03-register-badbody.txt",
		before: map[string]func(*replay, *block){"5 MiB": func(_ *replay, b *block) {
			b.body = `{"id":"dca2e6cf-b691-49cf-8bed-a51d21370c8c","url":"http://localhost:19101/echo","agent_card":{"x":"` +
				strings.Repeat("x", 5<<20) + `"}}`
		}},
	},
	{
		file: "04-heartbeat-auth.txt",
		setup: func(r *replay) {
			r.registered("f15fcf95-2de3-4911-a4c4-884b0de04363", "/echo", "68t0FmhcchMZ-XR2Iw-MOzjtEb9JVvFgYVkPM1-zIP8")
			r.row("35b39e90-2aa2-4ad3-9ec3-b759ba1a869f")
		},
		before: map[string]func(*replay, *block){"stale (revoked)": func(r *replay, _ *block) {
			r.tokens["-KNqjKgPgJt5ORaG_fdqH13a8cx2tcJZT6dn-NJ9j50"] = r.row("f15fcf95-2de3-4911-a4c4-884b0de04363").Rotate()
		}},
	},
	{
		file: "05-heartbeat-sizes.txt",
		setup: func(r *replay) {
			r.registered(sizesID, "/echo", "lnezUSvpAP7FCrpZ35IljvQy38DOFBQVavKAD2esSXI")
		},
		before: map[string]func(*replay, *block){
			"current_task 100 kB":          beat(sizesID, "current_task", strings.Repeat("x", 100_000)),
			"current_task 1 MiB":           beat(sizesID, "current_task", strings.Repeat("x", 1<<20)),
			"unicode, raw":                 beat(sizesID, "current_task", "ümläut 日本 🙂"),
			"unicode, \\u":                 beat(sizesID, "current_task", `\u00fc\ud83d\ude42`),
			"lone surrogate":               beat(sizesID, "current_task", `lone \ud800 surrogate`),
			"invalid UTF-8":                beat(sizesID, "current_task", "bad utf8 \xff\xfe end"),
			"NUL as \\u0000 in current":    beat(sizesID, "current_task", `a\u0000b`),
			"NUL as \\u0000 in sample":     beat(sizesID, "sample_error", `a\u0000b`),
			"raw NUL":                      beat(sizesID, "current_task", "a\x00b"),
			"gzip body":                    func(_ *replay, b *block) { b.body = "\x1f\x8b\x08\x00nothing" },
			"Content-Length longer than":   func(_ *replay, b *block) { b.gave = "a client that stalls" },
			"64 MiB WITHOUT token (server": func(_ *replay, b *block) { b.gave = "too big for every day" },
		},
		skip: map[string]string{"current_task 10 MiB": "too big for every day", "current_task 64 MiB": "too big for every day", "64 MiB": "too big for every day"},
	},
	{
		file: "06-heartbeat-status.txt",
		setup: func(r *replay) {
			r.registered(statusID, "/echo", "qdeR2ADWK4NMEvjEN8PCXCaXS2llzMX4mBlO1e6NI6w")
		},
		before: map[string]func(*replay, *block){
			"heartbeat while status=offline":    setStatus(statusID, "offline"),
			"heartbeat while status=failed":     setStatus(statusID, "failed"),
			"heartbeat while status=paused":     setStatus(statusID, "paused"),
			"heartbeat while status=hibernated": setStatus(statusID, "hibernated"),
			"register while paused":             setStatus(statusID, "paused"),
		},
		skip: map[string]string{"admin list": noSuchRoute},
	},
	{
		file: "07-update-card.txt",
		setup: func(r *replay) {
			r.registered("4173db8e-fea4-4725-a3b0-b83f406506b3", "/echo", "OrAybqQ9TDjkUU4JZhHRHMG7ZOehvZzl5UYO4jpmoWk")
		},
	},
	{
		file: "09-rotation.txt",
		setup: func(r *replay) {
			r.registered(rotationID, "/echo", "7Oxq6ricCW6fUWvqgiiHSKri0Ocy0yXch5K0j9pSVjw")
			r.row("fdd50fbe-824d-4496-a690-2828df157d28")
		},
		before: map[string]func(*replay, *block){
			"heartbeat with old T1": func(r *replay, _ *block) {
				r.tokens["ckHRpvjP6tX-xy1sPcsaNhZsrUt8Lifn9U8CFbRFuFE"] = r.row(rotationID).Rotate()
			},
			"heartbeat with revoked T2": revoke(rotationID),
			"register WITHOUT token":    revoke(rotationID),
			"register in the gap":       revoke(rotationID),
			"token minted in the gap still": func(r *replay, _ *block) {
				r.tokens["nZ7PC2kRbCOCJzZhhcUzftNkXKbx8YvoG1h-TVvItwk"] = r.row(rotationID).IssueToken()
			},
		},
		skip: map[string]string{"peers": "the server had other workspaces"},
	},
	{
		file: "10-a2a-canvas.txt",
		setup: func(r *replay) {
			r.registered("f5d83c4d-b5a0-4d7b-a63b-30fdd57498e3", "/echo", "")
			r.row("6098b8e7-73e0-4394-8d0b-82d07b83859b")
		},
		before: map[string]func(*replay, *block){"2 MiB body": func(_ *replay, b *block) {
			b.body = `{"method":"` + strings.Repeat("x", 2<<20) + `"}`
		}},
	},
	{file: "11-a2a-agent.txt", setup: family, before: map[string]func(*replay, *block){
		"target over budget": func(r *replay, _ *block) {
			r.p.Workspace(siblingID).SetBudget(1)
			r.check(block{label: "spend", method: "POST", path: "/registry/heartbeat", status: 200, answer: `{"status":"ok"}`,
				body:    `{"workspace_id":"` + siblingID + `","monthly_spend":5}`,
				headers: [][2]string{{"Authorization", "Bearer bbykhEIL0WiBUc8fuent8a3RWj7bSYx2dBo8QkJAYog"}},
				header:  map[string]string{"Content-Type": "application/json; charset=utf-8", "X-Ratelimit-Limit": "100000", "X-Ratelimit-Remaining": "1"}})
		},
		"target status=paused": func(r *replay, _ *block) {
			r.p.Workspace(siblingID).SetBudget(0)
			r.p.Workspace(siblingID).SetStatus("paused")
		},
		"target status=offline": setStatus(siblingID, "offline"),
		"target status=failed":  setStatus(siblingID, "failed"),
	}},
}

const (
	statusID   = "31ed57ee-2d36-490b-99ce-5094636ae5c7"
	rotationID = "977cfa8e-cc82-48e0-b0e9-420c556cafdc"
	callerID   = "842c1f78-4173-4e28-9ead-bcf8b16a3259"
	siblingID  = "10246a0f-4787-4906-b2cb-05963171ccb9"
)

func setStatus(id, status string) func(*replay, *block) {
	return func(r *replay, _ *block) { r.row(id).SetStatus(status) }
}

func revoke(id string) func(*replay, *block) {
	return func(r *replay, _ *block) { r.row(id).Revoke() }
}

// family is two siblings with tokens, one without, and a stranger.
func family(r *replay) {
	const parent = "d2895771-c074-41f5-b65d-b44660bde7f1"
	r.row(parent)
	r.registered(callerID, "/echo", "OO-vvzhZ53RyKIMGeoMqPIm25ge5EchF6KfGYlOt6h4", registrytest.WithParent(parent))
	r.registered(siblingID, "/echo", "bbykhEIL0WiBUc8fuent8a3RWj7bSYx2dBo8QkJAYog", registrytest.WithParent(parent), registrytest.WithName("ws-219677456"))
	r.registered("3f5f6e5f-a868-4d2d-80f8-b6476739739f", "/echo", "", registrytest.WithParent(rotationID))
	r.row("0f322b8c-902b-405d-9a30-e14e2240dda4", registrytest.WithParent(parent))
}
