package registrytest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const adminToken = "ADMIN-TOKEN"

// replay sends the requests of one transcript to a double.
type replay struct {
	t      *testing.T
	p      *registrytest.Platform
	agent  *transcriptAgent
	client *http.Client
	tokens map[string]string // recorded -> the double's
}

func (r *replay) row(id string, opts ...registrytest.WorkspaceOption) *registrytest.Workspace {
	if w := r.p.Workspace(id); w != nil {
		return w
	}
	return r.p.AddWorkspace(id, opts...)
}

// registered makes a row as a registration with path leaves it, with a token
// that the transcript knows as recorded ("" for none).
func (r *replay) registered(id, path, recorded string, opts ...registrytest.WorkspaceOption) *registrytest.Workspace {
	r.t.Helper()
	w := r.row(id, opts...)
	r.register(id, path)
	w.Revoke()
	if recorded != "" {
		r.tokens[recorded] = w.IssueToken()
	}
	return w
}

// register changes the address, whatever it takes.
func (r *replay) register(id, path string) {
	r.t.Helper()
	url := path
	if !strings.HasPrefix(path, "http") {
		url = "http://localhost:19101" + path
	}
	body := fmt.Sprintf(`{"id":%q,"url":%q,"agent_card":{"name":"t","description":"d","version":"0.1.0"}}`, id, url)
	w := r.row(id)
	b := block{method: "POST", path: "/registry/register", body: body,
		headers: [][2]string{{"Authorization", "Bearer " + w.IssueToken()}}}
	if status, _, _, err := r.send(b); err != nil || status != 200 {
		r.t.Fatalf("register %s: %d, %v", id, status, err)
	}
}

func (r *replay) send(b block) (status int, header http.Header, answer string, err error) {
	body := b.body
	for recorded, ours := range r.tokens {
		body = strings.ReplaceAll(body, recorded, ours)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), b.method, r.p.URL()+b.path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	for _, h := range b.headers {
		if h[0] == "Content-Length" || h[0] == "Transfer-Encoding" {
			continue
		}
		value := h[1]
		for recorded, ours := range r.tokens {
			value = strings.ReplaceAll(value, recorded, ours)
		}
		req.Header.Add(h[0], value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, strings.TrimSpace(string(raw)), err
}

func (r *replay) check(b block) {
	r.t.Helper()
	r.agent.take()
	status, header, answer, err := r.send(b)
	if err != nil {
		r.t.Errorf("%s: %v", b.label, err)
		return
	}
	if status != b.status {
		r.t.Errorf("%s: status %d, the real server says %d\nanswer: %s", b.label, status, b.status, answer)
		return
	}
	for _, key := range []string{"Content-Type", "Location", "Retry-After", "X-Ratelimit-Limit", "X-Ratelimit-Remaining",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"} {
		want, has := b.header[key], header.Get(key) != ""
		switch {
		case strings.HasPrefix(key, "X-Ratelimit") && strings.HasPrefix(b.header["X-Ratelimit-Limit"], "100"):
			if has != (want != "") { // counted, but from another beginning
				r.t.Errorf("%s: header %s: present %v", b.label, key, has)
			}
		case header.Get(key) != want:
			r.t.Errorf("%s: header %s: %q, the real server says %q", b.label, key, header.Get(key), want)
		}
	}
	if b.method != http.MethodHead {
		if diff := cmp.Diff(shape(b.answer), shape(answer)); diff != "" {
			r.t.Errorf("%s: answer differs (-real +double):\n%s", b.label, diff)
		}
	}
	var minted struct {
		Token string `json:"auth_token"`
	}
	var recorded = minted
	if json.Unmarshal([]byte(answer), &minted) == nil && json.Unmarshal([]byte(b.answer), &recorded) == nil && recorded.Token != "" {
		r.tokens[recorded.Token] = minted.Token
	}
	synctest.Wait()
	if len(b.agent) > 0 {
		if diff := cmp.Diff(anonymous(b.agent), anonymous(r.agent.take())); diff != "" {
			r.t.Errorf("%s: the agent received something else (-real +double):\n%s", b.label, diff)
		}
	}
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func anonymous(requests []string) []string {
	var out []string
	for _, r := range requests {
		out = append(out, uuid.ReplaceAllString(r, "UUID"))
	}
	return out
}

// shape is an answer with what may differ taken out: values other than the
// texts that clients tell answers apart by become their JSON types.
func shape(answer string) any {
	var v any
	if json.Unmarshal([]byte(answer), &v) != nil {
		return answer
	}
	return shapeOf("", v)
}

func shapeOf(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = shapeOf(k, e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, shapeOf(key, e))
		}
		return out
	case string:
		switch key {
		case "error", "status", "message", "text", "summary", "url":
			return uuid.ReplaceAllString(v, "UUID")
		}
		return "string"
	case float64:
		switch key {
		case "retry_after", "queue_depth", "last_error_rate", "active_tasks":
			return v
		}
		return "number"
	default:
		return v
	}
}

// transcript is one file and what has to be done around its blocks.
type transcript struct {
	file   string
	opts   []registrytest.Option
	setup  func(*replay)
	before map[string]func(*replay, *block) // by the beginning of the label
	skip   map[string]string                // by the beginning of the label: why
}

func (s transcript) run(t *testing.T) {
	blocks := readTranscript(t, s.file)
	synctest.Test(t, func(t *testing.T) {
		opts := append([]registrytest.Option{registrytest.WithInMemory(), registrytest.WithAdminToken(adminToken)}, s.opts...)
		r := &replay{t: t, p: registrytest.NewPlatform(t, opts...), agent: &transcriptAgent{}, tokens: map[string]string{}}
		r.client = r.p.Client()
		r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if _, err := r.p.ServeAgent("localhost:19101", r.agent); err != nil {
			t.Fatal(err)
		}
		if s.setup != nil {
			s.setup(r)
		}
		replayed := 0
		for _, b := range blocks {
			if why := find(s.skip, b.label); why != "" {
				t.Logf("not replayed: %s: %s", b.label, why)
				continue
			}
			if prepare := find(s.before, b.label); prepare != nil {
				prepare(r, &b)
			}
			if b.gave != "" {
				t.Logf("not replayed: %s: curl gave up", b.label)
				continue
			}
			r.check(b)
			replayed++
			time.Sleep(time.Millisecond)
		}
		if replayed == 0 {
			t.Error("nothing was replayed")
		}
	})
}

func find[T any](m map[string]T, label string) (found T) {
	best := -1
	for prefix, v := range m {
		if strings.HasPrefix(label, prefix) && len(prefix) > best {
			best, found = len(prefix), v
		}
	}
	return found
}

func TestTranscripts(t *testing.T) {
	for _, s := range slices.Concat(transcriptsOfWorkspaces, transcriptsOfTrouble, transcriptsOfTools) {
		t.Run(strings.TrimSuffix(s.file, ".txt"), s.run)
	}
}
