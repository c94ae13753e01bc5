package telemetry_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// deaf accepts connections and never answers.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		var held []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				for _, c := range held {
					c.Close()
				}
				return
			}
			held = append(held, conn)
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return "http://" + l.Addr().String()
}

// refused is an address that nobody listens on.
func refused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestADeadCollectorCostsNothingButALineInTheLog(t *testing.T) {
	for name, at := range map[string]func(*testing.T) string{"refused": refused, "never answers": deaf} {
		t.Run(name, func(t *testing.T) {
			sendTo(t, at(t))
			t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
			p := registrytest.NewPlatform(t)
			w := live(t, p, here, parrot, runtime.WithDrainTimeout(5*time.Minute))
			for _, text := range []string{"one", "two", "three"} {
				if answer := say(t, p, here, text, nil); !strings.Contains(answer, "You said: "+text) {
					t.Errorf("the answer is %s", answer)
				}
			}
			begin := time.Now()
			w.end()
			// It takes 1 s; what this test must tell from that is the drain
			// deadline, and the half minute of an export that is not cut off.
			if took := time.Since(begin); took > 25*time.Second {
				t.Errorf("the end took %v", took)
			}
			lines := 0
			for line := range strings.Lines(w.log.String()) {
				if strings.Contains(line, "level=WARN") && (strings.Contains(line, "could not be sent") || strings.Contains(line, "was not sent")) {
					lines++
				}
			}
			// One about spans, one about metrics, one at the end.
			if lines == 0 || lines > 3 {
				t.Errorf("%d lines about it:\n%s", lines, w.log)
			}
		})
	}
}

// A turn that ignores the end of its context has a span all the same.
func TestOpenSpansAreEndedByTheDrain(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	p := registrytest.NewPlatform(t)
	release := make(chan struct{})
	begun := make(chan struct{})
	w := live(t, p, here, runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error {
		close(begun)
		<-release
		return nil
	}), runtime.WithDrainTimeout(100*time.Millisecond))
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _, _ = p.Call(context.WithoutCancel(t.Context()), here, "message/send", message("work", nil))
	}()
	<-begun
	w.end()
	turn := c.one(here, "invoke_agent Workspace")
	if got := attributes(turn.Attributes)["outcome"]; got != "shutdown" {
		t.Errorf("outcome is %q, want shutdown", got)
	}
	close(release)
	<-answered
}
