package registrytest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const (
	teamID      = "a7fc383c-8d27-4249-9386-4f0437c6337d" // P of transcript 08
	teamChildID = "348504af-3c91-44f7-b09f-dd1e00906f92" // C1
	otherID     = "40f1e1f7-4631-4de9-b077-0542db7e1fb4" // C2
	namelessID  = "5705518e-e8b1-48d5-8eac-2afdf1b4a9ec"
	containerID = "2139b5cd-1ea6-4478-b420-b3e9db876f52"

	toolsID     = "96932056-2788-48f4-8b91-004471495afe" // of transcripts 15 to 22
	toolsRootID = "3a4fad27-7c5c-498a-acdc-72b26d9fd039"
	toolsToken  = "1o-4qXmPl30sTEVjA3wn26qjF6JE8TYx81opQQIMrZg"

	bossID   = "0509149e-3d7f-4720-9de3-19b5165eb089" // S of transcript 14
	workerID = "01b48c01-faba-448a-873f-ee53c6351291" // X
	boss2ID  = "5496c0c4-d931-48ed-b940-572ab817f5fe"
	boss3ID  = "5c3444c6-65c3-4d07-8dba-eaa9156656f5"
	droppyID = "ad6b77a0-e431-43ef-87a5-962ab85e0b51"
)

func external(parent string) []registrytest.WorkspaceOption {
	return []registrytest.WorkspaceOption{registrytest.WithParent(parent), registrytest.WithRuntime("external")}
}

// patch changes fields of a workspace, as the canvas does.
func (r *replay) patch(id, fields string) {
	r.t.Helper()
	b := block{method: "PATCH", path: "/workspaces/" + id, body: fields, headers: [][2]string{{"Authorization", "Bearer " + adminToken}}}
	if status, _, answer, err := r.send(b); err != nil || status != 200 {
		r.t.Fatalf("patch %s: %d, %s, %v", id, status, answer, err)
	}
}

// tools is the pair of workspaces that most transcripts of tools are about.
func tools(r *replay) {
	r.registered(toolsRootID, "/echo", "RwWcggujccw9-EO_SK-GmlCahbcJdaQ2Ep6l-jrIYoU", registrytest.WithRuntime("external"))
	r.registered(toolsID, "/echo", toolsToken, external(toolsRootID)...)
	r.registered("53684279-8cb9-4cf1-983f-878386f19e35", "/echo", "CS83e7zt3745igSOTU4jXWUFEWpdktg4O2wmMqpzzMA", external(toolsRootID)...)
}

var transcriptsOfTools = []transcript{
	{
		file: "08-discover-peers-access.txt",
		setup: func(r *replay) {
			const otherTeam = "32ae3801-857a-46e4-8e75-9942edf546c1"
			r.registered(teamID, "/echo", "k7aZY4qOEpHIX3Yxk1E77_uJluwAU_b8mAOTOGAPkOM", registrytest.WithRuntime("external"))
			r.registered(teamChildID, "/echo", "ETpXLt3eI-FgaSTimb90IjQQNUPVDStR_UaovkCSU54", external(teamID)...)
			r.row(namelessID, external(teamID)...)
			r.row(containerID, registrytest.WithParent(teamID)).SetStatus("online")
			r.registered(otherID, "/echo", "W8NRKTrocQvWmYFii3D-SecmvBo-91VIvk2AUha_PA4", external(teamID)...)
			r.registered(otherTeam, "/echo", "", registrytest.WithRuntime("external"))
			r.registered("dcfc9d4e-3d27-415d-aa0c-603269d23a31", "/echo", "", external(otherTeam)...)
			r.registered("90dfd29e-0407-465c-a4bf-c19b8e171eb1", "/echo", "i4aW0993ce71gxagIrkWbx2welYZQ2aHmOAKUxQXjUk", registrytest.WithParent(bossID))
		},
		before: map[string]func(*replay, *block){
			"caller is a container": func(r *replay, _ *block) { r.patch(otherID, `{"runtime":"langgraph"}`) },
			"discover an OFFLINE": func(r *replay, _ *block) {
				r.patch(otherID, `{"runtime":"external"}`)
				r.row(otherID).SetStatus("offline")
			},
			"peers (siblings": func(r *replay, _ *block) { r.row(otherID).SetStatus("online") },
			"peers ?q=lang when every": func(r *replay, _ *block) {
				for _, id := range []string{teamID, teamChildID, namelessID, containerID, otherID} {
					r.patch(id, `{"role":"tester"}`)
				}
				r.patch(containerID, `{"name":"lang-11012"}`)
			},
		},
		skip: map[string]string{"peers of a root": "its answer is not recorded whole"},
	},
	{
		file: "14-delegations.txt",
		setup: func(r *replay) {
			r.registered(bossID, "/echo", "C7NOBDMEJ_aygUAs3AxK2GbrbhQDfuMHFSgONBeOBJc", external(toolsRootID)...)
			r.registered(workerID, "/echo", "WZes2pLWLTlo6COgqARcEtmXX4lFBdykR-9nCo5jlqw", external(toolsRootID)...)
			r.registered(boss2ID, "/echo", "zvhjPxtLNE0iVEyZe1DMx85SpZanGp2m1Jg-CGFHbf4", external(toolsRootID)...)
			r.registered(boss3ID, "/echo", "huS-i1lwMUNYA91faiSxas30tVjuHTes5MsC250KHuU", external(toolsRootID)...)
			r.registered("bbcf442c-502d-4532-9e41-8b9486f082ce", "/echo", "", external(teamID)...)
			for id, path := range map[string]string{
				"fe6d18ae-9144-416a-8ae8-771669e3f0e1": "/type", "2d22b12e-a3c1-4bac-a557-203c6a9f1b2a": "/task",
				"95a3c6e8-e554-45a4-807a-a18908cb5de7": "/taskstatus", "abb566c8-2dcb-4afb-8979-22510b803740": "/rpcerr",
				"0feca7f3-3a4f-43e9-9c49-502dd7e71da5": "/err500", "0c553df0-0859-4ba2-bf85-7fbe4ee53583": "/plain",
				"f53e8926-2024-4d94-814f-acc81c4bace3": "/empty", "66201cc5-6242-4103-87c2-6679e29db4a1": "/slow/6",
				"0d6f0a7e-2f5b-41e2-a275-d63cb4be8298": "http://localhost:1/",
			} {
				r.registered(id, path, "", external(toolsRootID)...)
			}
			r.registered(droppyID, "/drop", "u_cozmlEQfO1W2gQ5EXPxN2CpXwHdo1B-5RWE5A7qmQ", external(toolsRootID)...)
		},
		before: map[string]func(*replay, *block){
			"list after 10 s": wait(9 * time.Second),
			"list after 7 s":  wait(6 * time.Second),
			"target heartbeats": func(r *replay, b *block) {
				r.register(droppyID, "/echo")
				b.agent = b.agent[1:] // the first one came with the delegation
			},
		},
	},
	{
		file:  "15-memories.txt",
		setup: tools,
		before: map[string]func(*replay, *block){
			"2 MiB content": func(_ *replay, b *block) {
				b.body = fmt.Sprintf(`{"content":%q,"scope":"LOCAL"}`, strings.Repeat("x y ", 1<<19))
			},
			"(remove it)": func(r *replay, b *block) {
				m := r.row(toolsID).Memories()
				b.path = "/workspaces/" + toolsID + "/memories/" + m[len(m)-1].ID
			},
			"delete": func(r *replay, b *block) { // what has just been deleted is not there, for the second block
				for _, m := range r.row(toolsID).Memories() {
					if m.Content == "the sky is blue" {
						b.path = "/workspaces/" + toolsID + "/memories/" + m.ID
					}
				}
			},
			"delete not-a-uuid": func(*replay, *block) {},
		},
	},
	{
		file:  "19-checkpoints.txt",
		setup: tools,
	},
	{
		file:  "16-kv-memory.txt",
		setup: tools,
		before: map[string]func(*replay, *block){
			"get expired": wait(2 * time.Second),
		},
	},
	{
		file:  "17-approvals.txt",
		setup: tools,
		before: map[string]func(*replay, *block){
			"decide approved": decide("deploy"), "decide again": decide("deploy"),
			"decide bad word": decide("rm -rf"), "decide denied": decide("rm -rf"),
			"workspace list does not": func(r *replay, _ *block) {
				r.row(toolsID).AddApproval(registrytest.Approval{Action: "old", CreatedAt: time.Now().Add(-11 * time.Minute)})
			},
		},
		skip: map[string]string{"one more, aged": "done through Workspace.AddApproval"},
	},
	{file: "18-activity-notify.txt", setup: tools},
	{
		file:  "20-secrets-instructions-context.txt",
		setup: tools,
		before: map[string]func(*replay, *block){
			"secrets/values merged": func(r *replay, _ *block) {
				r.p.SetGlobalSecret("GLOB", "g1")
				r.p.SetGlobalSecret("API", "global-loses")
			},
			"instructions/resolve": func(r *replay, b *block) {
				if b.label != "instructions/resolve empty" {
					r.p.AddInstruction("Be nice", "Always be nice.", 5)
					r.row(toolsID).AddInstruction("Role", "You are a tester.", 0)
				}
			},
			"state paused": func(r *replay, _ *block) { r.row(toolsID).Pause() },
		},
		skip: map[string]string{
			"global secret": "done through Platform.SetGlobalSecret", "global with the same": "done through Platform.SetGlobalSecret",
			"cleanup": "done with", "create global": "done through Platform.AddInstruction", "create workspace": "done through Workspace.AddInstruction",
			"config": noSuchRoute, "budget": noSuchRoute, "metrics": noSuchRoute, "plugins": noSuchRoute, "restart without": noSuchRoute,
			"hibernate": noSuchRoute, "pause": "done through Workspace.Pause", "resume": noSuchRoute,
		},
	},
	{
		file:  "21-schedules.txt",
		setup: tools,
		before: map[string]func(*replay, *block){
			"patch": thisSchedule(0), "run now": thisSchedule(0), "history": thisSchedule(0),
			"delete": thisSchedule(0), "delete again": func(*replay, *block) {}, "delete not": func(*replay, *block) {},
		},
	},
	{
		file: "22-tokens.txt",
		setup: func(r *replay) {
			tools(r)
			r.registered("065cfa50-1571-4d2a-b354-b07f24e4abdf", "/echo", "NFbedhl_kqEpRXPcnanHdNHxqIOUXiOgZm4jy9rheMw")
		},
		before: map[string]func(*replay, *block){
			"revoke newest":         thisToken(toolsID, "1f667034-b8ce-4881-a2b8-3f5e6e50e782", 0),
			"revoke again":          thisToken(toolsID, "1f667034-b8ce-4881-a2b8-3f5e6e50e782", -1),
			"revoke own only token": thisToken("065cfa50-1571-4d2a-b354-b07f24e4abdf", "cbc35eb5-c7d4-4594-9496-810ae7a54f46", 0),
			"51st live": func(r *replay, _ *block) {
				for r.row(toolsID).LiveTokens() < 50 {
					r.row(toolsID).IssueToken()
				}
			},
		},
		skip: map[string]string{"test-token": noSuchRoute},
	},
	{
		file: "23-sse.txt",
		setup: func(r *replay) {
			r.registered("7304b04d-1ec7-4728-9442-25332ee0e384", "/echo", "")
			r.row("7304b04d-1ec7-4728-9442-25332ee0e384").IssueToken()
		},
	},
	{file: "24-websocket.txt"}, // its frames: TestSocketShowsWhomOneMayTalkTo
	{
		file: "34-misc.txt",
		setup: func(r *replay) {
			r.registered("bba8a33e-bf57-450f-b1bd-ecb2c0b92ea5", "/echo", "eDBKiL7SHiS9W_zyBOKjqH_wQEO6IZQiGSsIeATCubM")
			r.patch("bba8a33e-bf57-450f-b1bd-ecb2c0b92ea5", `{"name":"probe-ext-nourl"}`)
			r.registered("49c12ef0-d5b0-4249-b5b2-e4fd7bec8a8e", "/echo", "XVT9hK_M1fPX0Q0GB2eLckb_FEnf-gMTH9JCpk8fYuQ")
			r.row("8f6777f2-47f4-4360-b8ca-c9db336c56b7").SetStatus("hibernated")
		},
		before: map[string]func(*replay, *block){
			"heartbeat (200, but stays failed)": setStatus("bba8a33e-bf57-450f-b1bd-ecb2c0b92ea5", "failed"),
			"heartbeat after the restart": func(r *replay, _ *block) {
				r.p.Down()
				if err := r.p.Up(); err != nil {
					r.t.Fatal(err)
				}
			},
		},
		skip: map[string]string{"GET /workspaces/:id ": "its address had never been registered"},
	},
	{
		file: "33-canvas-and-peer-payloads.txt",
		setup: func(r *replay) {
			r.registered("1f9b78bd-0890-446c-b7b4-0351178ecd32", "/echo", "", external(toolsRootID)...)
			r.registered("7c41a6f0-92e3-4dd6-8c75-8bb32a94ef34", "/echo", "yvHP16BbJIwDCTqcSL2oNAXHfKdOOTLJMMZUgWMajrA", external(toolsRootID)...)
		},
		before: map[string]func(*replay, *block){
			"delegations: response_preview": func(r *replay, _ *block) {
				const source = "7c41a6f0-92e3-4dd6-8c75-8bb32a94ef34"
				b := block{method: "POST", path: "/workspaces/" + source + "/delegate",
					body:    `{"target_id":"1f9b78bd-0890-446c-b7b4-0351178ecd32","task":"long ` + strings.Repeat("y", 1500) + `"}`,
					headers: [][2]string{{"Authorization", "Bearer yvHP16BbJIwDCTqcSL2oNAXHfKdOOTLJMMZUgWMajrA"}}}
				if status, _, answer, err := r.send(b); err != nil || status != 202 {
					r.t.Fatalf("delegate: %d, %s, %v", status, answer, err)
				}
				time.Sleep(time.Second)
			},
		},
	},
}

// decide puts the id that the double gave to a request for action into a path.
func decide(action string) func(*replay, *block) {
	return func(r *replay, b *block) {
		for _, a := range r.row(toolsID).Approvals() {
			if a.Action == action {
				b.path = "/workspaces/" + toolsID + "/approvals/" + a.ID + "/decide"
			}
		}
	}
}

// thisSchedule puts the id that the double gave to the n-th schedule into a
// path.
func thisSchedule(n int) func(*replay, *block) {
	return func(r *replay, b *block) {
		b.path = uuid.ReplaceAllString(b.path, r.row(toolsID).Schedules()[n].ID)
		b.path = strings.Replace(b.path, r.row(toolsID).Schedules()[n].ID, toolsID, 1)
	}
}

// thisToken puts the id of the newest but n-th valid token into a path; a
// negative one leaves the recorded id, which is nobody's.
func thisToken(id, recorded string, n int) func(*replay, *block) {
	return func(r *replay, b *block) {
		if n < 0 {
			return
		}
		list := block{method: "GET", path: "/workspaces/" + id + "/tokens", headers: [][2]string{{"Authorization", "Bearer " + adminToken}}}
		var said struct{ Tokens []struct{ ID string } }
		_, _, answer, err := r.send(list)
		if err != nil || json.Unmarshal([]byte(answer), &said) != nil {
			r.t.Fatalf("list tokens: %s, %v", answer, err)
		}
		b.path = strings.Replace(b.path, recorded, said.Tokens[n].ID, 1)
	}
}
