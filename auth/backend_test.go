package auth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

const backendURL = "https://user:hunter2@backend.example/check?key=hunter2"

// newBackend returns a backend that is closed at the end of the test. i answers its requests.
func newBackend(t testing.TB, i *network, o auth.BackendOptions) *auth.Backend {
	t.Helper()
	if o.URL == "" {
		o.URL = backendURL
	}
	if i != nil {
		o.Client = &http.Client{Transport: i}
	}
	b, err := auth.NewBackend(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

const (
	away      = "auth_unavailable: The backend that checks the token gave an invalid answer."
	broken    = "auth_unavailable: The backend that checks the token does not answer at the moment."
	crowded   = "auth_unavailable: Too many tokens are waiting for the backend's answer."
	ofBackend = "the backend that checks tokens, https://backend.example/check: "
)

// TestBackendOverHTTP checks the exact request, and the grant that results from the answer.
func TestBackendOverHTTP(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method, r.URL.Path, string(body), r.Host, r.Header.Get("Content-Type"))
		got = append(got, r.Header["Cookie"]...)
		got = append(got, r.Header["X-Tenant"]...)
		got = append(got, r.Header.Get("X-Other"))
		io.WriteString(w, `{"user":"u1","rules":[{"channels":["user.{user}"],"allow":["join"]}],"ttl":300}`)
	}))
	defer server.Close()
	b := newBackend(t, nil, auth.BackendOptions{URL: server.URL + "/check", Timeout: time.Minute, Headers: []string{"cookie", "x-tenant"}})
	slow := false
	start := time.Now()
	g, err := b.Check(access.Credentials{
		Token: `to"ken`, Address: netip.MustParseAddr("192.0.2.1"),
		Header: map[string][]string{"Cookie": {"a=1"}, "X-Tenant": {"t1", "t2"}, "X-Other": {"no"}, "Host": {"evil.example"}},
		Slow:   func(run func()) { slow = true; run() },
	})
	if err != nil || !slow {
		t.Fatalf("error %v, slow %v", err, slow)
	}
	want := []string{"POST", "/check", `{"token":"to\"ken","address":"192.0.2.1"}`, strings.TrimPrefix(server.URL, "http://"), "application/json", "a=1", "t1", "t2", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request to the backend (-want +got):\n%s", diff)
	}
	if g.Issued.Before(start) || g.Issued.After(time.Now()) || g.Expires.Sub(g.Issued) != 300*time.Second {
		t.Errorf("issued %v, expires %v", g.Issued, g.Expires)
	}
	if !g.Permissions.Decide(access.VerbJoin, "user.u1").Allowed || g.Permissions.Decide(access.VerbJoin, "user.u2").Allowed {
		t.Error("{user} is not the user")
	}
	id := auth.BackendID(`to"ken`)
	if !strings.HasPrefix(id, "ext_") || len(id) != 20 {
		t.Errorf("ID %s", id)
	}
	rest := access.Grant{Identity: id, TokenID: id, Kind: "backend", User: "u1", HasUser: true, Issued: g.Issued, Expires: g.Expires, Permissions: g.Permissions}
	if *g != rest {
		t.Errorf("got %+v, want %+v", *g, rest)
	}
}

func TestBackendAnswers(t *testing.T) {
	long := strings.Repeat("Ä", 200)
	for _, c := range []struct {
		status       int
		answer, want string
		log          string // the fault that Ready reports after five such answers
	}{
		{200, `{"user":"u1"}`, "user u1", ""},
		{200, `{"user":"u1","rules":[],"ttl":0.5}`, "user u1", ""},
		{401, ``, "invalid_token: The backend refuses the token.", ""},
		{403, `<html>`, "invalid_token: The backend refuses the token.", ""},
		{403, `{"message":"Your trial\nhas ended.","more":1}`, "invalid_token: Your trial has ended.", ""},
		{401, `{"message":7}`, "invalid_token: The backend refuses the token.", ""},
		{401, `{"message":"` + long + `"}`, "invalid_token: " + long[:300] + ".", ""},
		{200, ``, away, "its answer is not a JSON object, or has a member twice"},
		{200, `{"user":"u1","user":"admin"}`, away, "its answer is not a JSON object, or has a member twice"},
		{200, `{}`, away, "the user in its answer is missing, or is not a string"},
		{200, `{"user":7}`, away, "the user in its answer is missing, or is not a string"},
		{200, `{"user":""}`, away, "its answer: the user's name is empty"},
		{200, `{"user":"u1","rule":[]}`, away, `its answer has the unknown member "rule": the known ones are user, rules, ttl, info`},
		{200, `{"user":"u1","rules":null}`, away, "the rules in its answer are not a list: omit them to allow everything"},
		{200, `{"user":"u1","rules":[{"channels":["a"],"deny":["joyn"]}]}`, away, `its answer: rule 1: deny: there is no verb "joyn": the verbs are join, publish, history, presence`},
		{200, `{"user":"u1","ttl":"300"}`, away, "the ttl in its answer is not a number of seconds above 0 and up to 31622400"},
		{200, `{"user":"u1","ttl":0}`, away, "the ttl in its answer is not a number of seconds above 0 and up to 31622400"},
		{200, `{"user":"u1","ttl":-1}`, away, "the ttl in its answer is not a number of seconds above 0 and up to 31622400"},
		{200, `{"user":"u1","ttl":1e300}`, away, "the ttl in its answer is not a number of seconds above 0 and up to 31622400"},
		{200, `{"user":"u1","ttl":null}`, away, "the ttl in its answer is not a number of seconds above 0 and up to 31622400"},
		{200, `{"user":"u1"}` + strings.Repeat(" ", 64<<10), away, "it answered more than 65536 bytes"},
		{201, `{"user":"u1"}`, away, "it answered 201: want 200, 401 or 403"},
		{204, ``, away, "it answered 204: want 200, 401 or 403"},
		{404, ``, away, "it answered 404: want 200, 401 or 403"},
		{500, ``, away, "it answered 500: want 200, 401 or 403"},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := &network{}
			i.set(says(c.status, c.answer))
			b := newBackend(t, i, auth.BackendOptions{})
			for n := range 5 {
				if got := check(b, fmt.Sprint("token", n)); got != c.want {
					t.Errorf("%d %.80s: got %q, want %q", c.status, c.answer, got, c.want)
				}
			}
			want := "ready"
			if c.log != "" {
				want = ofBackend + "it gave 5 invalid answers in a row: " + c.log
			}
			if diff := cmp.Diff(want, ready(b)); diff != "" {
				t.Errorf("%d %.80s (-want +got):\n%s", c.status, c.answer, diff)
			}
			// A token that makes the backend fail must not make it unavailable for others.
			i.set(says(200, `{"user":"u2"}`))
			if got := check(b, "another") + ", " + ready(b); got != "user u2, ready" {
				t.Errorf("%d %.80s: then %q", c.status, c.answer, got)
			}
		})
	}
}

func TestBackendRemembers(t *testing.T) {
	for _, c := range []struct {
		status int
		answer string
		want   string
		until  time.Duration
	}{
		{200, `{"user":"u1","ttl":300}`, "user u1", 150 * time.Second},
		{200, `{"user":"u1"}`, "user u1", 10 * time.Second},
		{401, ``, "invalid_token: The backend refuses the token.", 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := &network{}
			i.set(says(c.status, c.answer))
			b := newBackend(t, i, auth.BackendOptions{})
			start := time.Now()
			asked := func(want int64) {
				t.Helper()
				if got := check(b, "token"); got != c.want || i.asked.Load() != want {
					t.Errorf("%s, after %v: got %q, asked %d times, want %d", c.answer, time.Since(start), got, i.asked.Load(), want)
				}
			}
			asked(1)
			time.Sleep(c.until - time.Nanosecond)
			asked(1)
			time.Sleep(time.Nanosecond)
			asked(2) // so a client that presents the token again gets a later expiry
			g, _ := b.Check(access.Credentials{Token: "token"})
			if strings.Contains(c.answer, "ttl") && !g.Expires.Equal(start.Add(450*time.Second)) {
				t.Errorf("expires %v after the start", g.Expires.Sub(start))
			}
		})
	}
}

// TestBackendChangesItsAnswer: the backend's last answer counts.
func TestBackendChangesItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		b := newBackend(t, i, auth.BackendOptions{})
		for range 3 {
			i.set(says(200, `{"user":"u1","ttl":20}`))
			if got := check(b, "token"); got != "user u1" {
				t.Errorf("got %q", got)
			}
			time.Sleep(10 * time.Second)
			i.set(says(403, ``))
			if got := check(b, "token"); got != "invalid_token: The backend refuses the token." {
				t.Errorf("got %q", got)
			}
			time.Sleep(2 * time.Second)
		}
	})
}

// TestBackendKeepsHeadersApart: one token with two cookies may be two users.
func TestBackendKeepsHeadersApart(t *testing.T) {
	i := &network{}
	i.set(func(r *http.Request) (*http.Response, error) {
		return says(200, fmt.Sprintf(`{"user":"%s"}`, strings.Join(r.Header["Cookie"], "+")))(r)
	})
	b := newBackend(t, i, auth.BackendOptions{Headers: []string{"Cookie", "X-A"}})
	for range 2 {
		for want, header := range map[string]map[string][]string{
			"user u1": {"Cookie": {"u1"}}, "user u2": {"Cookie": {"u2"}}, "user a+b": {"Cookie": {"a", "b"}}, "user a": {"Cookie": {"a"}, "X-A": {"b"}},
		} {
			if got := outcome(b.Check(access.Credentials{Token: "cookie", Header: header})); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	if n := i.asked.Load(); n != 4 {
		t.Errorf("asked %d times, want 4", n)
	}
}

// TestBackendKeepsAddressesApart: a backend can refuse a stolen token from another address. The
// attempt does not affect the token's owner.
func TestBackendKeepsAddressesApart(t *testing.T) {
	i := &network{}
	i.set(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), `"address":"192.0.2.1"`) {
			return says(403, ``)(r)
		}
		return says(200, `{"user":"u1"}`)(r)
	})
	b := newBackend(t, i, auth.BackendOptions{})
	for range 2 {
		for address, want := range map[string]string{"192.0.2.1": "user u1", "192.0.2.2": "invalid_token: The backend refuses the token."} {
			if got := outcome(b.Check(access.Credentials{Token: "token", Address: netip.MustParseAddr(address)})); got != want {
				t.Errorf("from %s: got %q, want %q", address, got, want)
			}
		}
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

// TestTokensThatCannotBeSentToTheBackend: otherwise the backend would seem to be unreachable.
func TestTokensThatCannotBeSentToTheBackend(t *testing.T) {
	i := &network{}
	i.set(says(200, `{"user":"u1"}`))
	b := newBackend(t, i, auth.BackendOptions{Headers: []string{"Cookie"}})
	for want, c := range map[string]access.Credentials{
		"invalid_token: The token is empty.":                                     {},
		"invalid_token: The token has 8193 bytes, more than 8192.":               {Token: strings.Repeat("a", 8193)},
		"invalid_token: The token has control characters, or is not UTF-8.":      {Token: "a\xff"},
		"invalid_token: The header Cookie has control characters.":               {Token: "a", Header: map[string][]string{"Cookie": {"a\r\nX: y"}}},
		"invalid_token: The headers for the backend have more than 16384 bytes.": {Token: "a", Header: map[string][]string{"Cookie": {strings.Repeat("a", 16384)}}},
	} {
		if got := outcome(b.Check(c)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if n := i.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// TestGuessesKeepGrantsCached: refusals have a cache of their own.
func TestGuessesKeepGrantsCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(says(200, `{"user":"u1","ttl":300}`))
		b := newBackend(t, i, auth.BackendOptions{CacheSize: 100})
		check(b, "good")
		i.set(says(401, ``))
		for n := range 1000 {
			check(b, fmt.Sprint("guess", n))
		}
		if got := check(b, "good"); got != "user u1" || i.asked.Load() != 1001 {
			t.Errorf("got %q, asked %d times, want 1001", got, i.asked.Load())
		}
		i.set(says(200, `{"user":"u1","ttl":300}`))
		for n := range 100 {
			check(b, fmt.Sprint("good", n))
		}
		if check(b, "good"); i.asked.Load() != 1102 {
			t.Errorf("asked %d times, want 1102: the cache has no bound", i.asked.Load())
		}
	})
}

func TestNewBackendErrors(t *testing.T) {
	for want, o := range map[string]auth.BackendOptions{
		"the backend that checks tokens: the URL: it is not a valid URL":    {},
		"the backend that checks tokens: ftp://host/: use a URL with https": {URL: "ftp://host/?key=hunter2"},
		"the backend that checks tokens: http://backend.example/: without TLS anyone on the network path could answer: use https, or a host on this machine (localhost, 127.0.0.1)": {URL: "http://user:hunter2@backend.example/"},
		`the headers for the backend that checks tokens: "a b" is not the name of a header`:                                                                                         {URL: backendURL, Headers: []string{"a b"}},
		"the headers for the backend that checks tokens: Host concerns the client's own connection or body, and is not passed on":                                                   {URL: backendURL, Headers: []string{"host"}},
		"the headers for the backend that checks tokens: Content-Length concerns the client's own connection or body, and is not passed on":                                         {URL: backendURL, Headers: []string{"content-length"}},
		"the headers for the backend that checks tokens: Proxy-Authorization concerns the client's own connection or body, and is not passed on":                                    {URL: backendURL, Headers: []string{"proxy-authorization"}},
		"the headers for the backend that checks tokens: Te concerns the client's own connection or body, and is not passed on":                                                     {URL: backendURL, Headers: []string{"TE"}},
		"the backend's time limit, concurrency and cache must not be negative":                                                                                                      {URL: backendURL, Timeout: -1},
	} {
		if _, err := auth.NewBackend(o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
