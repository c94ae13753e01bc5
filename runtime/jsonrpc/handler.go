package jsonrpc

import (
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// NewHandler returns the A2A front end over a request handler: POST, JSON-RPC,
// protocol versions 0.3 and 1.0 on the same path. Mount it where callers post:
// the platform uses "/" and "/a2a". If rh is also a [Sequencer], streams can be
// resumed. It panics when rh is nil.
func NewHandler(rh a2asrv.RequestHandler, opts ...Option) http.Handler {
	if rh == nil {
		panic("jsonrpc: NewHandler needs a request handler, got nil")
	}
	h := &handler{rh: rh}
	for _, o := range opts {
		o.apply(&h.config)
	}
	h.setDefaults()
	return h
}

type handler struct {
	config
	rh a2asrv.RequestHandler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "not implemented", http.StatusNotImplemented)
}
