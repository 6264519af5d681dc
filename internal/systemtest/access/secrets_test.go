package access

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/internal/systemtest/issuer"
)

// A secret is a text that nobody may find. Kind is the word that allowances know it by.
type secret struct{ kind, text string }

// A place is somewhere that a secret could be found.
type place struct{ name, content string }

// allowances are the places that have secrets because a document says so: the answers
// that tell them for once, and those of 2013 that show classic tokens. Each must be needed.
var allowances = [][2]string{ // kind, place
	{"key", "POST /v2/keys: 201"},
	{"opaque", "POST /v2/tokens: 201"},
	{"classic", "POST /token/: 200"},
	{"classic", "GET /token/: 200"},
	{"classic", "GET /secrets/token/: 200"},
	{"classic", "GET /debug/token-dump: 200"},
	{"classic", "GET /debug/recipient-dump: 200"},
}

// forms are how a secret could be written. A front of it is one: who can read
// that has less to guess.
func forms(text string) []string {
	return []string{
		text, text[:12], base64.RawStdEncoding.EncodeToString([]byte(text)), issuer.Encode([]byte(text)),
		hex.EncodeToString([]byte(text)), url.QueryEscape(text), url.PathEscape(text),
	}
}

// leaks lists which secrets are in which places, each once.
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

// TestSecrets lets everything go wrong that can, with secrets that are known here, at the
// log level that tells the most; and looks for them everywhere.
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
		t.Errorf("secrets, and where they are (-allowed +found):\n%s", diff)
	}
}

// TestLeaksAreFound makes sure that what finds secrets does.
func TestLeaksAreFound(t *testing.T) {
	const text = "bt_0123456789 /+%-abcdefghijklmnop"
	for _, form := range forms(text) {
		found := leaks([]secret{{"s", text}}, []place{{"log", "x" + form + "y"}, {"page", "nothing"}})
		if diff := cmp.Diff([][2]string{{"s", "log"}}, found); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
}

// places are all of them: what was answered and said in the run, and what can be read
// after it.
func (r *reckless) places() (all []place) {
	r.Helper()
	for _, path := range []string{
		"/metrics", "/v2/refusals?limit=1000", "/v2/sessions?limit=1000", "/v2/tokens?limit=1000", "/v2/keys", "/v2/revocations",
		"/v2/stats", "/v2/channels?limit=1000", "/readyz", "/healthz", "/debug/token-dump", "/debug/recipient-dump", "/token/", "/secrets/token/",
	} {
		if a := r.Ask(r.Admin, "GET", path, nil); len(a.Body) == 0 {
			r.Errorf("%s says nothing", path)
		}
	}
	errors := 0
	for _, a := range r.seen {
		method, path, _ := strings.Cut(a.Request, " ")
		path, _, _ = strings.Cut(path, "?")
		if a.Status >= 400 {
			errors++
			path = "…" // which may have a secret in it
		}
		all = append(all, place{fmt.Sprintf("%s %s: %d", method, path, a.Status), fmt.Sprint(a.Header) + "\n" + string(a.Body)})
	}
	if errors < 50 || len(r.frames) < 20 {
		r.Errorf("there were only %d errors and %d frames: does the run do what it says?", errors, len(r.frames))
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
	for _, must := range []string{"tokens were revoked", "the backend gave an invalid answer", "the keys that verify JWTs"} { // it was a run in which things were logged
		if !strings.Contains(log, must) {
			r.Errorf("the log does not have %q:\n%s", must, log)
		}
	}
	all = append(all, place{"the log", log}, place{"the banner", r.banner.String()}, place{"boreas config", config.String()}, place{"boreas config --toml", file.String()})
	names, err := filepath.Glob(filepath.Join(r.Config.DataDir, "*"))
	if err != nil || len(names) == 0 {
		r.Fatalf("data_dir: %q, %v", names, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			r.Error(err)
		}
		all = append(all, place{"data_dir " + filepath.Base(name), string(content)})
	}
	return all
}

// header is one header.
func header(name, value string) http.Header { return http.Header{name: {value}} }
