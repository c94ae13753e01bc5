package heartbeat_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// Whichever list a row is read from, it says the same.
func TestBothListsHaveTheSameRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		defer p.Close()
		w := p.AddWorkspace(bedID)
		client := clientOf(t, p, w)
		if _, err := client.Delegate(t.Context(), registry.DelegateRequest{TargetID: nobody, Task: "work"}); err != nil {
			t.Fatal(err)
		}
		for id, o := range map[string]registry.DelegationOutcome{
			"long":   {Status: registry.DelegationCompleted, ResponsePreview: strings.Repeat("long ", 100)},
			"empty":  {Status: registry.DelegationCompleted},
			"failed": {Status: registry.DelegationFailed, Error: "no"},
		} {
			if err := client.RecordDelegation(t.Context(), id, nobody, "work"); err != nil {
				t.Fatal(err)
			}
			if err := client.FinishDelegation(t.Context(), id, o); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		short, err := client.Delegations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		long, err := client.Activities(t.Context(), registry.ActivityQuery{Type: registry.ActivityDelegation, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		var rows []registry.Delegation
		for _, a := range long {
			rows = append(rows, heartbeat.RowOf(a))
		}
		if diff := cmp.Diff(short, rows); diff != "" || len(rows) != 7 {
			t.Errorf("%d rows; the short list has - and the long one +:\n%s", len(rows), diff)
		}
	})
}

// A whole fan-out to somebody who is not there, on a platform with all its quirks.
func TestInboxDeliversAFanOutThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		defer p.Close()
		b := newInboxBed(t, nil)
		b.cfg.Path, b.cfg.Client = "", clientOf(t, p, p.AddWorkspace(bedID))
		b.start()
		b.pass(time.Second)
		var ids []string
		for i := range 40 {
			d, err := b.cfg.Client.Delegate(t.Context(), registry.DelegateRequest{TargetID: nobody, Task: fmt.Sprint("part ", i)})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, d.DelegationID)
		}
		b.pass(5 * time.Minute)
		b.stop()
		b.wantEach(ids...)
	})
}

const nobody = "99999999-1111-4222-8333-444455556666"

func clientOf(t *testing.T, p *registrytest.Platform, w *registrytest.Workspace) *registry.Client {
	t.Helper()
	tokens := newBedTokens(w.IssueToken())
	tokens.unwatched = true
	rt, err := heartbeat.NewRoundTripper(p.URL(), tokens, heartbeat.WithBase(p.Transport()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := registry.NewClient(p.URL(), w.ID(), registry.WithTransport(rt))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
