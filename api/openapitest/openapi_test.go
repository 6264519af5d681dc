package openapitest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// document is the API's description, with a validator for responses.
type document struct {
	model     *v3.Document
	validator validator.Validator
}

func open(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	model, err := d.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	v, problems := validator.NewValidator(d)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return document{&model.Model, v}
}

func TestDocumentIsValid(t *testing.T) {
	if ok, problems := open(t).validator.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("%s: %s", p.Message, p.Reason)
			for _, s := range p.SchemaValidationErrors {
				t.Errorf("  line %d: %s", s.Line, s.Reason)
			}
		}
	}
}

// An exchange is a request and its response. Package api writes one exchange per line.
type exchange struct {
	Route, Method, Target string
	Status                int
	ContentType           string
	Body                  []byte
}

// TestResponsesMatchTheDocument runs the tests of package api, which record every response.
func TestResponsesMatchTheDocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "exchanges")
	run := exec.Command("go", "test", "-count=1", "./api")
	run.Dir = "../.."
	run.Env = append(run.Environ(), "BOREAS_TEST_EXCHANGES="+file)
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	lines, err := os.Open(file)
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
	d.each(func(route string, status int, _ *v3.Response) {
		if !seen[fmt.Sprint(route, " ", status)] {
			t.Errorf("%s: no test of package api gets the response %d of openapi.json", route, status)
		}
	})
}

func TestExamplesMatchTheDocument(t *testing.T) {
	d, n := open(t), 0
	d.each(func(route string, status int, response *v3.Response) {
		if response.Content == nil {
			return
		}
		for kind, media := range response.Content.FromOldest() {
			if media.Example == nil {
				continue
			}
			var example any
			if err := media.Example.Decode(&example); err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(example)
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
func (d document) each(f func(route string, status int, response *v3.Response)) {
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			for code, response := range operation.Responses.Codes.FromOldest() {
				status, _ := strconv.Atoi(code)
				f(strings.ToUpper(method)+" "+path, status, response)
			}
		}
	}
}

// check checks a response.
func (d document) check(t *testing.T, e exchange) {
	t.Helper()
	_, path, _ := strings.Cut(e.Route, " ")
	item, ok := d.model.Paths.PathItems.Get(path)
	if !ok {
		t.Errorf("openapi.json has no path %s", path)
		return
	}
	if e.Method == http.MethodHead {
		return // it has no body
	}
	operation, _ := item.GetOperations().Get(strings.ToLower(e.Method))
	response, ok := operation.Responses.Codes.Get(strconv.Itoa(e.Status))
	if !ok {
		t.Errorf("%s: openapi.json does not have the response %d %s", e.Route, e.Status, e.Body)
		return
	}
	if none := response.Content == nil || response.Content.Len() == 0; none != (len(e.Body) == 0 && e.ContentType == "") {
		t.Errorf("%s: openapi.json and the response %d %q differ in having a body", e.Route, e.Status, e.Body)
		return
	}
	req := &http.Request{Method: e.Method, URL: &url.URL{Path: path}, Header: http.Header{}} // the validator's messages contain the path
	res := &http.Response{StatusCode: e.Status, Header: http.Header{"Content-Type": {e.ContentType}}, Body: io.NopCloser(bytes.NewReader(e.Body))}
	if ok, problems := d.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(req, res, item, path); !ok {
		for _, p := range problems {
			t.Errorf("%s: the response %d %s\ndiffers from openapi.json: %s: %s", e.Route, e.Status, e.Body, p.Message, p.Reason)
			for _, s := range p.SchemaValidationErrors {
				t.Errorf("  %s: %s", s.FieldPath, s.Reason)
			}
		}
	}
}
