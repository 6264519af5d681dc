//go:build unix

package realclients

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file tests how a person sees a refusal, with common tools.

// curl runs curl and returns its output, with the status at the end. It removes text that differs
// from run to run.
func (s *site) curl(arguments ...string) string {
	s.Helper()
	output, err := exec.Command("curl", append([]string{"-sS", "-w", "%{http_code}"}, arguments...)...).CombinedOutput()
	if err != nil {
		s.Fatalf("curl %q: %v\n%s", arguments, err, output)
	}
	return regexp.MustCompile(`key_[A-Za-z0-9_-]{16}`).ReplaceAllString(string(output), "KEY")
}

// made creates a token or key and returns its text.
func (s *site) made(member, path, body string) string {
	s.Helper()
	var answer map[string]any
	text := s.curl("-d", body, s.api+path)
	if err := json.Unmarshal([]byte(strings.TrimSuffix(text, "201")), &answer); err != nil {
		s.Fatalf("%v: %s", err, text)
	}
	return answer[member].(string)
}

func TestRefusedByCurl(t *testing.T) {
	s := newSiteWith(t, "")
	key := s.made("key", "/v2/keys", `{"name":"shop","verbs":["publish"]}`)
	const docs = `","retry":"never","docs":"docs/errors.md#`
	for _, c := range []struct{ what, want string }{
		{"no key", `{"error":{"code":"invalid_key","message":"The API needs a key, and the request has no valid one.` + docs + `invalid_key"}}` + "\n401"},
		{"bk_" + strings.Repeat("x", 43), `{"error":{"code":"invalid_key","message":"The API key is unknown. ` + "`boreas key list` lists the keys, and `boreas key new` makes one." + docs + `invalid_key"}}` + "\n401"},
		{key, `{"error":{"code":"not_permitted","message":"The key \"shop\" allows publish, but not stats.` + docs + `not_permitted"}}` + "\n403"},
	} {
		arguments := []string{s.api + "/v2/stats"}
		if c.what != "no key" {
			arguments = append(arguments, "-H", "Authorization: Bearer "+c.what)
		}
		if diff := cmp.Diff(c.want, s.curl(arguments...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	got := s.curl(s.ws + "/v2/events?channel=news&access_token=wrong")
	want := `{"error":{"code":"invalid_token","message":"The token is not valid, or is no longer valid. The server accepts only its own tokens.","retry":"new_token","docs":"docs/errors.md#invalid_token"}}` + "\n401"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a stream (-want +got):\n%s", diff)
	}
}

// clauses 3.2, 3.8, 3.9, 3.10, 8.3
func TestWsdumpAtTheEndOfAToken(t *testing.T) {
	s := newSiteWith(t, "")
	token := s.made("token", "/v2/tokens", `{"user":"ann","ttl":2}`)
	dump := start(t, "wsdump ws://"+s.ws+"/v2")
	for line := dump.shown(); !strings.HasPrefix(line, `< {"hello":`); line = dump.shown() {
	}
	auth := `{"id":1,"auth":{"token":"` + token + `"}}`
	dump.enter(auth)
	var got []string
	for {
		line := dump.shown()
		if strings.HasPrefix(line, `< {"expiring":`) { // the lifetime is so short that this may come too late
			continue
		}
		got = append(got, regexp.MustCompile(`20[0-9-]{8}T[0-9:]{8}Z|"after_ms":[0-9]+`).ReplaceAllString(line, "…"))
		if strings.HasPrefix(line, `< {"goodbye":`) {
			break
		}
	}
	const fault = `{"code":"token_expired","message":"The token has expired.","retry":"new_token","docs":"docs/errors.md#token_expired"}`
	want := []string{`< {"id":1,"auth":{"user":"ann","expires":"…"}}`, `< {"goodbye":{"error":` + fault + `,"reconnect":{…}}}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("until the expiry (-want +got):\n%s", diff)
	}
	dump.interrupt() // wsdump waits for input, whatever the server does
	dump.wait()      //nolint:errcheck // it was interrupted

	late := start(t, "wsdump ws://"+s.ws+"/v2")
	for line := late.shown(); !strings.HasPrefix(line, `< {"hello":`); line = late.shown() {
	}
	late.enter(auth)
	if diff := cmp.Diff(`< {"id":1,"error":`+fault+`}`, late.shown()); diff != "" {
		t.Errorf("after the expiry (-want +got):\n%s", diff)
	}
	late.interrupt()
	late.wait() //nolint:errcheck // it was interrupted

	refused := start(t, "wsdump 'ws://"+s.ws+"/v2?access_token="+token+"'")
	if rest, err := refused.wait(); err == nil || !strings.Contains(rest, "401 Unauthorized") {
		t.Errorf("in the handshake: %v\n%s", err, rest)
	}
}
