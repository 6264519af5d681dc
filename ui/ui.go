// Package ui serves the operator's page: the state of a server in a browser, with links to every
// channel, session and token. The page has three files, which contain no data and no secrets: it
// reads everything from the HTTP API, with the operator's key.
//
// The sources are in src. `make ui` writes dist, which is part of the repository, so that the Go
// toolchain alone builds the server.
package ui

import (
	_ "embed" // embeds the files
	"net/http"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/asset"
)

// Path is the path of the page on the API's port.
const Path = "/ui"

//go:embed dist/index.html
var page []byte

//go:embed dist/app.js
var script []byte

//go:embed dist/app.css
var style []byte

// welcome is the answer to a browser that requests the API's root. Its links are relative, because
// a proxy may serve the API below a path of its own.
const welcome = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Boreas</title>
<h1>Boreas</h1>
<p>This port has the HTTP API of a Boreas server, for backends and operators.</p>
<p><a href="ui">The operator's page</a> shows who is connected, what goes through each channel, and why a client was refused.</p>
<p>The API describes itself in <a href="openapi.json">OpenAPI</a>.</p>
</html>
`

// policy lets the page load only its own files and request only its own server. It forbids inline
// code, and every function of the browser that turns text into code or markup, because messages on
// the page may have any content. The icon is a URL with its own data.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler returns a handler that serves the page at [Path] and its files below it. A browser that
// requests / gets a link to the page. All other requests go to next, the handler of the API.
func Handler(next http.Handler) http.Handler {
	files := map[string]*asset.File{
		"/":               asset.New("text/html; charset=utf-8", []byte(welcome)),
		Path:              asset.New("text/html; charset=utf-8", page),
		Path + "/app.js":  asset.New("text/javascript; charset=utf-8", script),
		Path + "/app.css": asset.New("text/css; charset=utf-8", style),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if path == Path+"/" { // the page's links are relative to its path without the slash
			w.Header().Set("Location", ".."+Path)
			w.WriteHeader(http.StatusPermanentRedirect)
			return
		}
		file := files[path]
		if file == nil || path == "/" && !Browses(r) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		file.ServeHTTP(w, r)
	})
}

// Browses reports whether a person requests a page with a browser. Other clients do not name HTML
// among the types that they accept.
func Browses(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html")
}
