package registry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// TestEveryMethodIsInTheTable: a method without a row would escape the tests
// that run over all of them.
func TestEveryMethodIsInTheTable(t *testing.T) {
	have := map[string]bool{
		"BaseURL": true, "WorkspaceID": true, // no calls
		"Approval": true,                     // looks into Approvals
		"Events":   true, "PeerEvents": true, // streams
	}
	for _, e := range endpoints {
		have[e.op] = true
	}
	client := reflect.TypeFor[*registry.Client]()
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; !have[name] {
			t.Errorf("Client.%s has no row in endpoints", name)
		}
	}
}

// TestEveryRequestIsGolden compares one request of each method, byte by byte,
// with testdata/requests.txt, whose shapes are those of the real server's
// transcripts.
func TestEveryRequestIsGolden(t *testing.T) {
	var got strings.Builder
	for _, e := range endpoints {
		b := serve(t, answer(200, e.ok))
		if err := e.call(t.Context(), b.client(t)); err != nil {
			t.Errorf("%s: %v", e.op, err)
			continue
		}
		r := b.requests()[0]
		_, boundary, multipart := strings.Cut(r.Header.Get("Content-Type"), "boundary=")
		for _, key := range []string{"Content-Length", "Accept-Encoding", "User-Agent"} {
			r.Header.Del(key) // net/http's own
		}
		fmt.Fprintf(&got, "--- %s\n%s %s\n", e.op, r.Method, r.URI)
		for _, key := range slices.Sorted(maps.Keys(r.Header)) {
			fmt.Fprintf(&got, "%s: %s\n", key, strings.Join(r.Header[key], ", "))
		}
		if r.Body != "" {
			fmt.Fprintf(&got, "\n%s\n", strings.TrimSuffix(r.Body, "\n"))
		}
		if multipart {
			text := strings.NewReplacer(boundary, "BOUNDARY", "\r\n", "\n").Replace(got.String())
			got.Reset()
			got.WriteString(text)
		}
		got.WriteString("\n")
	}
	if diff := cmp.Diff(golden(t, "requests.txt"), got.String()); diff != "" {
		t.Errorf("requests (-contract +client):\n%s", diff)
	}
}

// house is a platform that requires the bearer, a workspace that has all a call
// may ask for, and a client with the whole chain: token file, store, transport.
type house struct {
	*registrytest.Platform
	w      *registrytest.Workspace
	file   string
	client *registry.Client
}

func newHouse(t *testing.T) *house {
	h := &house{Platform: registrytest.NewPlatform(t, registrytest.WithInMemory()), file: filepath.Join(t.TempDir(), ".auth_token")}
	agent, err := h.ServeAgent("localhost:8001", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(200, `{"jsonrpc":"2.0","id":"1","result":{"kind":"message","parts":[{"kind":"text","text":"hello"}]}}`)(w, nil)
	}))
	if err != nil {
		t.Fatal(err)
	}
	h.w = h.AddWorkspace(ownID, registrytest.WithContainer())
	h.AddWorkspace(peerID, registrytest.WithURL(agent)).SetStatus("online")
	h.w.AddApproval(registrytest.Approval{ID: thingID, Action: "deploy"})
	h.w.PutFile("/workspace/x", []byte("a file"))
	h.w.PutPlugin("lint", []byte("an archive"))
	h.w.SetSecret("API", "v1")
	if err := os.WriteFile(h.file, []byte(h.w.IssueToken()), 0o600); err != nil {
		t.Fatal(err)
	}
	rt, err := heartbeat.NewRoundTripper(h.URL(), platformauth.NewStore(h.file), heartbeat.WithBase(h.Transport()))
	if err != nil {
		t.Fatal(err)
	}
	h.client = mustClient(t, h.URL(), registry.WithTransport(rt), registry.WithRetry(registry.Retry{Attempts: 1}))
	if _, err := h.client.SetKV(t.Context(), registry.SetKVRequest{Key: "k", Value: []byte(`1`)}); err != nil {
		t.Fatal(err)
	}
	if err := h.client.SaveCheckpoint(t.Context(), registry.SaveCheckpointRequest{WorkflowID: "w", StepName: "s"}); err != nil {
		t.Fatal(err)
	}
	h.ForgetRequests()
	return h
}

// beyond is what a call is answered in the house once its token has been
// accepted, where that is no success: the ids in the table are nobody's, and
// there is no GitHub App.
var beyond = map[string]int{
	"DeleteMemory": 404, "UpdateSchedule": 404, "DeleteSchedule": 404, "RunSchedule": 404, "RevokeToken": 404, "GitHubToken": 500,
}

func (h *house) accepted(t *testing.T, e endpoint, err error) {
	t.Helper()
	var answered *registry.Error
	switch want := beyond[e.op]; {
	case want == 0 && err != nil:
		t.Errorf("%s: %v", e.op, err)
	case want != 0 && (!errors.As(err, &answered) || answered.Status != want):
		t.Errorf("%s: %v, want %d", e.op, err, want)
	}
}

// open is what the platform answers to anybody.
var open = []string{"Workspace", "MayReach"}

// TestEveryCallCarriesTheToken: with the token every call is accepted, and
// without it none is.
func TestEveryCallCarriesTheToken(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.accepted(t, e, e.call(t.Context(), h.client))
				for _, r := range h.Requests() {
					if r.TokenGen != 1 || !r.Live {
						t.Errorf("%s %s came with token %d", r.Method, r.Path, r.TokenGen)
					}
				}
				if slices.Contains(open, e.op) {
					return
				}
				bare := mustClient(t, h.URL(), registry.WithTransport(h.Transport()), registry.WithRetry(registry.Retry{Attempts: 1}))
				if err := e.call(t.Context(), bare); !errors.Is(err, registry.ErrUnauthorized) {
					t.Errorf("without a token: %v", err)
				}
			})
		})
	}
}

// TestRotationInMidCall: the token changes while the request is on its way; the
// 401 brings the new one out of the file, the call is made once more, and its
// caller sees nothing.
func TestRotationInMidCall(t *testing.T) {
	for _, e := range endpoints {
		if slices.Contains(open, e.op) {
			continue
		}
		t.Run(e.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.Fail(registrytest.Any, registrytest.Fault{Delay: 2 * time.Second})
				rotated := make(chan struct{})
				go func() {
					defer close(rotated)
					time.Sleep(time.Second)
					<-h.w.RotateFile(registrytest.Rotation{Path: h.file, Atomic: true}).Written
				}()
				err := e.call(t.Context(), h.client)
				<-rotated
				h.accepted(t, e, err)
				type seen struct{ Gen, Status int }
				var got []seen
				for _, r := range h.Requests() {
					got = append(got, seen{r.TokenGen, min(r.Status, 401)})
				}
				want := []seen{{1, 401}, {2, min(got[len(got)-1].Status, 401)}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRotationUnderAnOpenStream: a stream outlives its token, and the next one
// is opened with the new token without the consumer's seeing a 401.
func TestRotationUnderAnOpenStream(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				connections := 0
				for e, err := range s.follow(h.client, t.Context()) {
					switch {
					case errors.Is(err, registry.ErrUnauthorized):
						t.Errorf("the consumer saw %v", err)
					case err == nil && e.Type == registry.EventConnected:
						if connections++; connections == 3 {
							return
						}
						if err := h.Await(t.Context(), func() bool { return h.w.Listeners() == 1 }); err != nil {
							t.Fatal(err)
						}
						<-h.w.RotateFile(registrytest.Rotation{Path: h.file, Atomic: true}).Written
						h.w.Emit("X", nil)
					case err == nil && e.Type == "X":
						h.CutStreams()
					}
				}
			})
		})
	}
}

// TestNoCallOutlivesItsContext: whatever the platform does not do, a call ends
// with its context.
func TestNoCallOutlivesItsContext(t *testing.T) {
	for _, e := range endpoints {
		for _, f := range []registrytest.Fault{{Hang: true}, {HalfOpen: true}} {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.Fail(registrytest.Any, f)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begin := time.Now()
				err := e.call(ctx, h.client)
				if waited := time.Since(begin); err == nil || waited > 5*time.Second {
					t.Errorf("%s: %v after %v", e.op, err, waited)
				}
			})
		}
	}
}
