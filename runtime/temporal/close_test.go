package temporal_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

// TestTheEndWithASilentServer: nobody waits for an answer that does not come.
func TestTheEndWithASilentServer(t *testing.T) {
	f := newFrontend(t)
	b := newHouse(t).run(t, f, newCounter())
	wait(t, "readiness", func() bool { status, _ := b.get("/readyz"); return status == http.StatusOK })
	b.send("hello", true) // so there are workers
	f.silent.Store(true)
	if took := b.end(); took > 5*time.Second {
		t.Errorf("the end takes %v", took)
	}
}

// deaf is an agent that ignores the end of its context.
type deaf struct{ begun, free chan struct{} }

func (d *deaf) Run(context.Context, *runtime.Turn, *runtime.Reply) error {
	close(d.begun)
	<-d.free
	return nil
}

// TestTheEndWithADeafAgent: the drain deadline is for a durable turn as well.
func TestTheEndWithADeafAgent(t *testing.T) {
	f := newFrontend(t)
	agent := &deaf{make(chan struct{}), make(chan struct{})}
	defer close(agent.free)
	b := newHouse(t).runWith(t, agent, runtime.Options(temporal.Durable(temporal.WithHost(f.hostPort())), runtime.WithDrainTimeout(2*time.Second)))
	b.send("count", false)
	<-agent.begun
	if took := b.end(); took > 5*time.Second {
		t.Errorf("the end takes %v", took)
	}
	if !strings.Contains(b.log.String(), "left behind") {
		t.Error("the log does not say what was left behind")
	}
}
