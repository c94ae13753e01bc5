package registrytest

import (
	"net/http"
	"strings"
)

// registryHandler finds what serves a path below /registry that has an id.
func (p *Platform) registryHandler(method, path string) func(*exchange) {
	parts := strings.Split(strings.TrimPrefix(path, "/registry/"), "/")
	if method != http.MethodGet || !strings.HasPrefix(path, "/registry/") || len(parts) != 2 {
		return nil
	}
	switch {
	case parts[0] == "discover":
		return func(x *exchange) { p.discover(x, parts[1]) }
	case parts[1] == "peers":
		return func(x *exchange) { p.getPeers(x, parts[0]) }
	}
	return nil
}

// subHandler finds what serves a path below a workspace: those of a fixed name
// first, then those that name a thing. An escaped slash makes a path longer,
// and so leads nowhere.
func (p *Platform) subHandler(method, id, sub string) func(*exchange) {
	if handle := map[string]func(*exchange, string){
		"GET memories":                  p.getMemories,
		"POST memories":                 p.commitMemory,
		"GET memory":                    p.listKV,
		"POST memory":                   p.setKV,
		"PATCH ":                        p.patchWorkspace,
		"GET session-search":            p.searchSession,
		"GET approvals":                 p.getApprovals,
		"POST approvals":                p.createApproval,
		"GET activity":                  p.getActivities,
		"POST activity":                 p.reportActivity,
		"POST delegations/record":       p.recordDelegation,
		"GET secrets":                   p.listSecrets,
		"POST secrets":                  p.putSecret,
		"PUT secrets":                   p.putSecret,
		"GET secrets/values":            p.secretValues,
		"GET instructions/resolve":      p.getInstructions,
		"GET shared-context":            p.getSharedContext,
		"GET github-installation-token": p.getGitHubToken,
		"GET schedules":                 p.listSchedules,
		"POST checkpoints":              p.saveCheckpoint,
		"POST schedules":                p.createSchedule,
		"GET schedules/health":          p.scheduleHealths,
		"POST chat/uploads":             p.upload,
		"GET chat/download":             p.downloadFile,
		"GET events/stream":             p.streamEvents,
	}[method+" "+sub]; handle != nil {
		return func(x *exchange) { handle(x, id) }
	}
	kind, rest, _ := strings.Cut(sub, "/")
	thing, verb, _ := strings.Cut(rest, "/")
	if thing == "" || strings.Contains(verb, "/") {
		return nil
	}
	if handle := map[string]func(*exchange, string, string){
		"GET memory":              p.getKV,
		"DELETE memory":           p.deleteKV,
		"DELETE secrets":          p.deleteSecret,
		"PATCH schedules":         p.updateSchedule,
		"DELETE schedules":        p.deleteSchedule,
		"POST schedules/run":      p.runSchedule,
		"GET schedules/history":   p.scheduleHistory,
		"GET plugins/download":    p.downloadPlugin,
		"GET checkpoints":         p.getCheckpoints,
		"DELETE checkpoints":      p.deleteCheckpoints,
		"DELETE memories":         p.deleteMemory,
		"POST approvals/decide":   p.decideApproval,
		"POST delegations/update": p.finishDelegation,
	}[strings.TrimSuffix(method+" "+kind+"/"+verb, "/")]; handle != nil {
		return func(x *exchange) { handle(x, id, thing) }
	}
	return nil
}
