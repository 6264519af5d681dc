package access

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// A secret is a text that must not leak. Kind is its name in allowances.
type secret struct{ kind, text string }

// A place is an output that could contain a secret.
type place struct{ name, content string }

// allowances are the places where a document allows a secret: the responses that show a new one
// once, and the classic API's responses that show classic tokens. The test fails if one is not
// needed.
var allowances = [][2]string{ // kind, place
	{"key", "POST /v2/keys: 201"},
	{"opaque", "POST /v2/tokens: 201"},
	{"classic", "POST /token/: 200"},
	{"classic", "GET /token/: 200"},
	{"classic", "GET /secrets/token/: 200"},
	{"classic", "GET /debug/token-dump: 200"},
	{"classic", "GET /debug/recipient-dump: 200"},
}

// forms returns the ways to write a secret. A prefix counts as well, because it leaves less to
// guess.
func forms(text string) []string {
	return []string{
		text, text[:12], base64.RawStdEncoding.EncodeToString([]byte(text)), issuer.Encode([]byte(text)),
		hex.EncodeToString([]byte(text)), url.QueryEscape(text), url.PathEscape(text),
	}
}

// leaks returns the pairs of secret and place that were found, each once.
func leaks(secrets []secret, places []place) (found [][2]string) {
	for _, p := range places {
		for _, s := range secrets {
			for _, form := range forms(s.text) {
				if strings.Contains(p.content, form) {
					found = append(found, [2]string{s.kind, p.name})
					break
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b [2]string) int { return strings.Compare(a[1]+a[0], b[1]+b[0]) })
	return slices.Compact(found)
}

// TestSecrets causes every kind of error with secrets that it knows, at the most detailed log
// level, and searches all outputs for them.
func TestSecrets(t *testing.T) {
	r := newReckless(t)
	r.comesIn()
	r.isRefused()
	r.isMalformed()
	r.losesAccess()
	r.findsNobody()
	found := leaks(r.secrets, r.places())
	want := slices.Clone(allowances)
	slices.SortFunc(want, func(a, b [2]string) int { return strings.Compare(a[1]+a[0], b[1]+b[0]) })
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("places that contain secrets (-allowed +found):\n%s", diff)
	}
}

// TestLeaksAreFound tests that leaks finds a secret in each of its forms.
func TestLeaksAreFound(t *testing.T) {
	const text = "bt_0123456789 /+%-abcdefghijklmnop"
	for _, form := range forms(text) {
		found := leaks([]secret{{"s", text}}, []place{{"log", "x" + form + "y"}, {"page", "nothing"}})
		if diff := cmp.Diff([][2]string{{"s", "log"}}, found); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
}

// places returns all outputs: the responses and frames of the run, and everything that can be read
// afterwards.
func (r *reckless) places() (all []place) {
	r.Helper()
	for _, path := range []string{
		"/metrics", "/v2/refusals?limit=1000", "/v2/sessions?limit=1000", "/v2/tokens?limit=1000", "/v2/keys", "/v2/revocations",
		"/v2/stats", "/v2/channels?limit=1000", "/readyz", "/healthz", "/debug/token-dump", "/debug/recipient-dump", "/token/", "/secrets/token/",
	} {
		if a := r.Ask(r.Admin, "GET", path, nil); len(a.Body) == 0 {
			r.Errorf("%s returned an empty body", path)
		}
	}
	errors := 0
	for _, a := range r.seen {
		method, path, _ := strings.Cut(a.Request, " ")
		path, _, _ = strings.Cut(path, "?")
		if a.Status >= 400 {
			errors++
			path = "…" // the path may contain a secret
		}
		all = append(all, place{fmt.Sprintf("%s %s: %d", method, path, a.Status), fmt.Sprint(a.Header) + "\n" + string(a.Body)})
	}
	if errors < 50 || len(r.frames) < 20 {
		r.Errorf("the run caused only %d errors and %d frames; it must cause at least 50 and 20", errors, len(r.frames))
	}
	for _, f := range r.frames {
		all = append(all, place{"a frame", f})
	}
	var config, file bytes.Buffer
	if err := r.Config.Print(&config); err != nil {
		r.Error(err)
	}
	if err := r.Config.PrintTOML(&file); err != nil {
		r.Error(err)
	}
	log := r.log.String()
	for _, must := range []string{"tokens were revoked", "the backend gave an invalid answer", "the keys that verify JWTs"} { // proves that the run logged something
		if !strings.Contains(log, must) {
			r.Errorf("the log does not contain %q:\n%s", must, log)
		}
	}
	all = append(all, place{"the log", log}, place{"the banner", r.banner.String()}, place{"boreas config", config.String()}, place{"boreas config --toml", file.String()})
	messages := false
	err := filepath.WalkDir(r.Config.DataDir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		content = bytes.TrimRight(content, "\x00") // the space that is reserved for messages
		messages = messages || strings.HasSuffix(name, ".log") && len(content) > 0
		all = append(all, place{"data_dir " + filepath.Base(name), string(content)})
		return err
	})
	if err != nil || !messages {
		r.Fatalf("data_dir: %v, a file of messages: %v", err, messages)
	}
	return all
}

// header returns a header with one field.
func header(name, value string) http.Header { return http.Header{name: {value}} }
