package jsonrpc_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// chunks is an agent that streams n chunks of 20 bytes.
func chunks(n int) *numbered {
	ev := a2a.NewArtifactUpdateEvent(info, "reply", a2a.NewTextPart("twenty bytes of text"))
	last := a2a.NewStatusUpdateEvent(info, a2a.TaskStateCompleted, nil)
	return &numbered{message: func(_ context.Context, yield func(uint64, a2a.Event) bool) error {
		for i := range n {
			if !yield(uint64(i+1), ev) {
				return nil
			}
		}
		yield(uint64(n+1), last)
		return nil
	}}
}

// nowhere is a connection that takes everything.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header              { return w.header }
func (w *nowhere) WriteHeader(int)                  {}
func (w *nowhere) Write(p []byte) (int, error)      { return len(p), nil }
func (w *nowhere) FlushError() error                { return nil }
func (w *nowhere) SetWriteDeadline(time.Time) error { return nil }
func (w *nowhere) SetReadDeadline(time.Time) error  { return nil }

// BenchmarkStream shows what a chunk costs: in the front end alone, and through
// a loopback connection to a reader in the same process.
func BenchmarkStream(b *testing.B) {
	for _, dialect := range []struct{ name, body string }{{"0.3", helloStream03}, {"1.0", helloStream10}} {
		for _, n := range []int{250, 1000, 4000, 16000} {
			b.Run(fmt.Sprintf("%s/alone/chunks=%d", dialect.name, n), func(b *testing.B) {
				h := jsonrpc.NewHandler(chunks(n))
				b.ReportAllocs()
				for b.Loop() {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(dialect.body))
					r.Header.Set("Content-Type", "application/json")
					h.ServeHTTP(&nowhere{header: http.Header{}}, r)
				}
				perChunk(b, n)
			})
		}
		for _, n := range []int{250, 1000, 4000, 16000} {
			b.Run(fmt.Sprintf("%s/loopback/chunks=%d", dialect.name, n), func(b *testing.B) {
				server := serve(b, chunks(n))
				b.ReportAllocs()
				for b.Loop() {
					res, err := server.Client().Post(server.URL, "application/json", strings.NewReader(dialect.body))
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil {
						b.Fatal(err)
					}
					_ = res.Body.Close()
				}
				perChunk(b, n)
			})
		}
	}
}

func perChunk(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "us/chunk")
}

// TestAChunkCostsTheSameHoweverManyThereAre counts allocations, which do not
// depend on the machine; BenchmarkStream has the times. A chunk takes 4, and up
// to 7 under the race detector, for which sync.Pool forgets on purpose.
func TestAChunkCostsTheSameHoweverManyThereAre(t *testing.T) {
	for _, body := range []string{helloStream03, helloStream10} {
		var few float64
		for _, n := range []int{250, 16000} {
			h := jsonrpc.NewHandler(chunks(n))
			each := testing.AllocsPerRun(2, func() {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				h.ServeHTTP(&nowhere{header: http.Header{}}, r)
			}) / float64(n)
			if n == 250 {
				few = each
			}
			if each > 8 || each > few+0.5 {
				t.Errorf("%d chunks: %.1f allocations for each, want 8 at most and no more than the %.1f of 250", n, each, few)
			}
		}
	}
}
