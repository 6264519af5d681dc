package openapitest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// file is the API's description.
const file = "../openapi.json"

// document is the description, with a compiler for its schemas.
type document struct {
	*openapi3.T
	schemas *jsonschema.Compiler
}

func open(t *testing.T) document {
	t.Helper()
	d, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	schemas := jsonschema.NewCompiler() // of JSON Schema 2020-12, as in OpenAPI 3.1
	schemas.AssertFormat()
	return document{d, schemas}
}

func TestDocumentIsValid(t *testing.T) {
	if err := open(t).Validate(context.Background(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Error(err)
	}
}

// An exchange is a request and its response. Package api writes one exchange per line.
type exchange struct {
	Route, Method, Target string
	Status                int
	ContentType           string
	Body                  []byte
}

// exchangesFile returns the file in which the tests of package api have recorded every response. make test
// names it, because it has run those tests already.
func exchangesFile(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("TEST_EXCHANGES"); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "exchanges")
	run := exec.Command("go", "test", "-count=1", "./api")
	run.Dir = "../.."
	run.Env = append(run.Environ(), "TEST_EXCHANGES="+file)
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return file
}

func TestResponsesMatchTheDocument(t *testing.T) {
	lines, err := os.Open(exchangesFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	d, seen := open(t), make(map[string]bool)
	scanner := bufio.NewScanner(lines)
	for scanner.Buffer(nil, 64<<20); scanner.Scan(); {
		var e exchange
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprint(e.Route, " ", e.Status)] = true
		d.check(t, e)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	d.each(func(route string, status int, _ *openapi3.Response) {
		if !seen[fmt.Sprint(route, " ", status)] {
			t.Errorf("%s: no test of package api gets the response %d of openapi.json", route, status)
		}
	})
}

func TestExamplesMatchTheDocument(t *testing.T) {
	d, n := open(t), 0
	d.each(func(route string, status int, response *openapi3.Response) {
		for kind, media := range response.Content {
			if media.Example == nil {
				continue
			}
			body, err := json.Marshal(media.Example)
			if err != nil {
				t.Fatal(err)
			}
			n++
			method, path, _ := strings.Cut(route, " ")
			d.check(t, exchange{route, method, path, status, kind, body})
		}
	})
	if n == 0 {
		t.Error("found no example, so the search is wrong")
	}
}

// each calls f with every response of every route.
func (d document) each(f func(route string, status int, response *openapi3.Response)) {
	for path, item := range d.Paths.Map() {
		for method, operation := range item.Operations() {
			for code, response := range operation.Responses.Map() {
				status, _ := strconv.Atoi(code)
				f(method+" "+path, status, response.Value)
			}
		}
	}
}

// check checks a response.
func (d document) check(t *testing.T, e exchange) {
	t.Helper()
	_, path, _ := strings.Cut(e.Route, " ")
	item := d.Paths.Value(path)
	if item == nil {
		t.Errorf("openapi.json has no path %s", path)
		return
	}
	if e.Method == http.MethodHead {
		return // it has no body
	}
	operation := item.GetOperation(e.Method)
	response := operation.Responses.Value(strconv.Itoa(e.Status))
	if response == nil {
		t.Errorf("%s: openapi.json does not have the response %d %s", e.Route, e.Status, e.Body)
		return
	}
	if none := len(response.Value.Content) == 0; none != (len(e.Body) == 0 && e.ContentType == "") {
		t.Errorf("%s: openapi.json and the response %d %q differ in having a body", e.Route, e.Status, e.Body)
		return
	}
	if len(e.Body) == 0 {
		return
	}
	kind, _, _ := strings.Cut(e.ContentType, ";")
	if response.Value.Content[kind] == nil {
		t.Errorf("%s: openapi.json has no content type %s of the response %d", e.Route, kind, e.Status)
		return
	}
	if kind != "application/json" {
		return // a text
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Body))
	if err != nil {
		t.Errorf("%s: the response %d %s: %v", e.Route, e.Status, e.Body, err)
		return
	}
	schema, err := d.schemas.Compile(file + "#" + d.pointer(e, response, kind))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(body); err != nil {
		t.Errorf("%s: the response %d %s\ndiffers from openapi.json: %v", e.Route, e.Status, e.Body, err)
	}
}

// pointer returns the JSON pointer of the schema of a response.
func (d document) pointer(e exchange, response *openapi3.ResponseRef, kind string) string {
	parent := strings.TrimPrefix(response.Ref, "#") // a shared response
	if parent == "" {
		_, path, _ := strings.Cut(e.Route, " ")
		parent = "/paths/" + escape(path) + "/" + strings.ToLower(e.Method) + "/responses/" + strconv.Itoa(e.Status)
	}
	return parent + "/content/" + escape(kind) + "/schema"
}

// escape escapes a name for a JSON pointer in a URL.
func escape(name string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
}
