package api

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes the whole API, for people and code generators.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI serves the description. All responses share the same bytes, so they do not count as held
// for a client.
func openAPI(w http.ResponseWriter, _ *http.Request, _ *call) {
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = typeJSON, nosniff
	w.Write(openAPIDocument)
}
