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

// welcome is the answer to a browser that requests the root of the subscribers' port. The link to the
// client is relative, because a proxy may serve the port below a path of its own.
const welcome = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Boreas</title>
<h1>Boreas</h1>
<p>This port of a Boreas server is for programs that receive messages, over WebSocket or as server-sent events. There is nothing to see in a browser.</p>
<p>Web pages use <a href="boreas.js">the JavaScript client</a>. See <a href="https://github.com/boreas-pubsub/boreas/blob/main/docs/index.md" rel="noreferrer">the documentation</a>.</p>
</html>
`

// welcoming answers a browser that requests / on the subscribers' port. All other requests go to next:
// the WebSockets of Boreas 1.0 have that path, too.
func welcoming(next http.Handler) http.Handler {
	page := asset.New("text/html; charset=utf-8", []byte(welcome))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" || !ui.Browses(r) || r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		if r.ProtoMajor == 1 { // as in clientScript
			h.Set("Connection", "close")
		}
		page.ServeHTTP(w, r)
	})
}
