package api

import (
	_ "embed"
	"net/http"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/asset"
)

// openAPIDocument describes the whole API, for people and code generators.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPIFile is made once for all handlers, because it is compressed then.
var openAPIFile = sync.OnceValue(func() *asset.File { return asset.New(typeJSON[0], openAPIDocument) })

// openAPI serves the description. All responses share the same bytes, so they do not count as held
// for a client.
func openAPI(w http.ResponseWriter, r *http.Request, _ *call) { openAPIFile().ServeHTTP(w, r) }
