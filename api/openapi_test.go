package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
)

// openAPI is the part of the document that these tests use. Package openapitest checks the document
// and the responses of these tests with a real validator.
type openAPI struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Parameters map[string]parameter }
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
}

func TestOpenAPIDocumentIsServed(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	got := regexp.MustCompile(`(?m)^Etag: "[\w-]{16}"\n`).ReplaceAllString(r.do("GET", "/openapi.json", ""), "")
	want := strings.NewReplacer("\nContent-Type", fmt.Sprintf("\nCache-Control: no-cache\nContent-Length: %d\nContent-Type", len(api.OpenAPIDocument))).Replace(jsonAnswer(200, string(api.OpenAPIDocument)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	zipped := r.do("GET", "/openapi.json", "", "Accept-Encoding", "gzip")
	if !strings.Contains(zipped, "\nContent-Encoding: gzip\n") || decoded(t, "gzip", zipped) != string(api.OpenAPIDocument) {
		t.Errorf("with gzip: %.300q", zipped)
	}
	tag := regexp.MustCompile(`Etag: (.*)`).FindStringSubmatch(zipped)[1]
	if got := r.do("GET", "/openapi.json", "", "Accept-Encoding", "gzip", "If-None-Match", tag); !strings.HasPrefix(got, "304\n") {
		t.Errorf("unchanged: %.300q", got)
	}
}

// operations returns the document's operations by the pattern of their route, with the names of
// their query parameters.
func operations(t *testing.T) map[string][]string {
	t.Helper()
	var document openAPI
	if err := json.Unmarshal(api.OpenAPIDocument, &document); err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for path, item := range document.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op struct{ Parameters []parameter }
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, p := range op.Parameters {
				if p.Ref != "" {
					p = document.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				if p.In == "query" {
					names = append(names, p.Name)
				}
			}
			found[strings.ToUpper(method)+" "+path] = names
		}
	}
	return found
}

func TestOpenAPIDocumentHasEveryRoute(t *testing.T) {
	var listed []string
	for pattern := range operations(t) {
		listed = append(listed, pattern)
	}
	routes := api.Patterns()
	slices.Sort(listed)
	slices.Sort(routes)
	if diff := cmp.Diff(routes, listed); diff != "" {
		t.Errorf("openapi.json differs from routes.go (-routes +document):\n%s", diff)
	}
}

// A route below /v2/ lists its parameters when it refuses an unknown one. They must be those of the
// document.
func TestOpenAPIParametersAreThoseOfTheRoutes(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	for pattern, names := range operations(t) {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/v2/") {
			continue
		}
		takes := "this path accepts none"
		if len(names) > 0 {
			takes = "this path accepts " + strings.Join(names, ", ")
		}
		path = strings.NewReplacer("{channel}", "c", "{session}", "s_1", "{id}", "tok_1").Replace(path)
		want := failure(400, "malformed", `Unknown parameter \"nonsense\": `+takes+".", "")
		if diff := cmp.Diff(want, r.do(method, path+"?nonsense=1", "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

// record records a response for package openapitest, if that package runs this test.
func record(t testing.TB, req *http.Request, status int, contentType string, body []byte) {
	name, route := os.Getenv("TEST_EXCHANGES"), api.PatternOf(req)
	if name == "" || route == "" {
		return
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	line, err := json.Marshal(map[string]any{
		"Route": route, "Method": req.Method, "Target": req.URL.String(),
		"Status": status, "ContentType": contentType, "Body": body,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(file, "%s\n", line); err != nil {
		t.Fatal(err)
	}
}
