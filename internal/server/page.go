package server

import (
	"net/http"

	"github.com/boreas-pubsub/boreas/v2/internal/asset"
	"github.com/boreas-pubsub/boreas/v2/js"
	"github.com/boreas-pubsub/boreas/v2/ui"
)

// page returns the handler of the API's port: the operator's page in front of the API.
func (s *Server) page(api http.Handler) http.Handler {
	if !s.cfg.UI {
		return api
	}
	return ui.Handler(api)
}

// clientScript returns the handler for the browser client on the subscribers' port.
func clientScript() http.Handler {
	script := asset.New("text/javascript; charset=utf-8", js.Source)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// Pages of any origin may use the file, because it contains no private data.
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		// The connection is to the subscribers' port, where it would take the place of a session. So it
		// is closed, unless it is an HTTP/2 connection, which may carry event streams.
		if r.ProtoMajor == 1 {
			h.Set("Connection", "close")
		}
		script.ServeHTTP(w, r)
	})
}
