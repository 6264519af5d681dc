package ws

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// ending is the expiry of the tokens in these tests.
var ending = time.Date(2100, 1, 2, 3, 4, 5, 600, time.UTC)

// checkUsers accepts tokens such as "valid ann" or "valid ann join:chat.*", which contain the user
// and may contain permissions.
func checkUsers(c access.Credentials) (*access.Grant, error) {
	words := strings.Fields(c.Token)
	if len(words) < 2 || words[0] != "valid" {
		return nil, fault.InvalidToken
	}
	g := &access.Grant{Identity: "tok_" + words[1], TokenID: "tok_" + words[1], Kind: "opaque", User: words[1], HasUser: true, Expires: ending}
	var list []access.Permission
	for _, word := range words[2:] {
		name, pattern, _ := strings.Cut(word, ":")
		verb, err := access.ParseVerb(name)
		if err != nil {
			return nil, err
		}
		list = append(list, access.Permission{Pattern: pattern, Allow: verb})
	}
	if list != nil {
		p, err := access.NewPermissions(list)
		if err != nil {
			return nil, err
		}
		g.Permissions = p
	}
	return g, nil
}

// TestATokenInTheHandshake sends a token in each part of the handshake that may contain one, to
// both dialects.
//
// clauses 3.3, 3.10
func TestATokenInTheHandshake(t *testing.T) {
	refusals := refusal.New()
	check := func(c access.Credentials) (*access.Grant, error) {
		if c.Token == "unknown" {
			return nil, fault.AuthUnavailable
		}
		return checkUsers(c)
	}
	o := withTestDefaults(Options{Check: check, Cookie: "session", Refusals: refusals})
	hub, addr := serverOf(t, overSocket, boreas.Options{}, func(hub *boreas.Hub) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/v2", Handler(hub, o))
		mux.Handle("/", Classic(hub, o))
		return mux
	})
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	cookie := func(token string) http.Header { return http.Header{"Cookie": {`other=x; session="` + token + `"`}} }
	const query = "?access_token=valid%20ann"
	const unavailable = "The server cannot check the token at the moment, because the backend, the key server or the shared store of tokens does not answer."
	const wrong = `{"error":{"code":"invalid_token","message":"The token is not valid, or is no longer valid.","retry":"new_token","docs":"docs/errors.md#invalid_token"}}`
	const unknown = `{"error":{"code":"auth_unavailable","message":"` + unavailable + `","retry":"later","docs":"docs/errors.md#auth_unavailable","retry_after_ms":5000}}`
	for name, c := range map[string]struct {
		path   string
		header http.Header
		want   string // the refusal, or the identity
	}{
		"v2, no token":             {"/v2", nil, "101 "},
		"v2, header":               {"/v2", bearer("valid ann"), "101 tok_ann"},
		"v2, small letters":        {"/v2", http.Header{"Authorization": {"bearer valid ann"}}, "101 tok_ann"},
		"v2, another scheme":       {"/v2", http.Header{"Authorization": {"Basic valid ann"}}, "101 "},
		"v2, two headers":          {"/v2", http.Header{"Authorization": {"Bearer valid ann", "Bearer valid bob"}}, "101 "},
		"v2, parameter":            {"/v2" + query, nil, "101 tok_ann"},
		"v2, header first":         {"/v2" + query, bearer("valid bob"), "101 tok_bob"},
		"v2, cookie":               {"/v2", cookie("valid ann"), "101 tok_ann"},
		"v2, parameter first":      {"/v2" + query, cookie("valid bob"), "101 tok_ann"},
		"v2, wrong header":         {"/v2", bearer("wrong"), "401 " + wrong},
		"v2, wrong parameter":      {"/v2?access_token=wrong", nil, "401 " + wrong},
		"v2, wrong cookie":         {"/v2", cookie("wrong"), "101 "},
		"v2, unknown cookie":       {"/v2", cookie("unknown"), "503 " + unknown},
		"classic, wrong cookie":    {"/", cookie("wrong"), "101 "},
		"classic, unknown cookie":  {"/", cookie("unknown"), "503 " + unavailable + "\n"},
		"classic, header":          {"/", bearer("valid ann"), "101 "},
		"classic, wrong header":    {"/", bearer("wrong"), "101 "},
		"classic, parameter":       {"/" + query, bearer("wrong"), "101 tok_ann"},
		"classic, cookie":          {"/", cookie("valid ann"), "101 tok_ann"},
		"classic, wrong parameter": {"/?access_token=wrong", nil, "401 The token is not valid, or is no longer valid.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c2, err := wstest.Connect("ws://"+addr+c.path, wstest.Options{Header: c.header})
			if r := (*wstest.Refused)(nil); errors.As(err, &r) {
				if got := fmt.Sprintf("%d %s", r.Response.StatusCode, r.Body); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
				if got := r.Response.Header.Get("WWW-Authenticate"); (got == "Bearer") != (r.Response.StatusCode == http.StatusUnauthorized) {
					t.Errorf("the WWW-Authenticate header is %q", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c2.Close()
			if strings.HasPrefix(c.path, "/v2") {
				hello, err := c2.Next()
				identity := strings.TrimPrefix(c.want, "101 tok_")
				want := `","user":"` + identity + `","expires":"2100-01-02T03:04:05Z","heartbeat":0,`
				if identity == "101 " {
					want = `","heartbeat":0,`
				}
				if err != nil || !strings.Contains(hello, want) {
					t.Errorf("hello %s, %v; want %s", hello, err, want)
				}
			}
			c2.Write(ping("")) // its answer comes after the session has authenticated
			if op, _, err := c2.Frame(); op != wstest.OpPong || err != nil {
				t.Errorf("a frame with the opcode %d, %v", op, err)
			}
			if got := "101 " + strings.Join(hub.Identities(), " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			c2.Write(closeOf("\x03\xe8"))
			for hub.Sessions() > 0 {
				runtime.Gosched()
			}
		})
	}
	found := refusals.Find(refusal.Filter{Address: "127.0.0.1"}, 10)
	for _, code := range []string{"invalid_token", "auth_unavailable"} {
		if !slices.ContainsFunc(found, func(e refusal.Entry) bool { return e.Verb == "connect" && e.Code == code }) {
			t.Errorf("no refusal with the code %s is recorded", code)
		}
	}
	if t.Failed() {
		t.Errorf("recorded: %+v", found)
	}
}

// TestRequestsDeniedByRules sends requests that the rules of a token do not allow, and checks that the
// refusals are recorded.
//
// clauses 4.11, 6.1, 7.1, 9.3
func TestRequestsDeniedByRules(t *testing.T) {
	refusals := refusal.New()
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Check: checkUsers, Refusals: refusals, Heartbeat: 25 * time.Second})
	c := newV2Client(t, addr)
	c.expect(`{"id":1,"auth":{"token":"valid ann join:chat.1"}}`, v2Hello, `text {"id":1,"auth":{"user":"ann","expires":"2100-01-02T03:04:05Z"}}`)
	denied := func(verb, channel string) string {
		return fmt.Sprintf(`{"code":"not_permitted","message":"The token's rules do not allow %s on \"%s\": no rule allows %s on this channel.","retry":"never","docs":"docs/errors.md#not_permitted"}`, verb, channel, verb)
	}
	c.expect(`{"id":2,"join":{"channels":[{"channel":"chat.1"},{"channel":"chat.2"},{"channel":"chat.1","last":1},{"channel":"chat.1","presence":true}]}}`,
		`text {"id":2,"join":{"channels":[{"channel":"chat.1","position":"E-0"},{"channel":"chat.2","error":`+denied("join", "chat.2")+`},`+
			`{"channel":"chat.1","error":`+denied("history", "chat.1")+`},{"channel":"chat.1","error":`+denied("presence", "chat.1")+`}]}}`)
	c.expect(`{"id":3,"publish":{"channel":"chat.1","message":1}}`, `text {"id":3,"error":`+denied("publish", "chat.1")+`}`)
	c.expect(`{"id":4,"history":{"channel":"chat.1"}}`, `text {"id":4,"error":`+denied("history", "chat.1")+`}`)
	c.expect(`{"id":5,"presence":{"channel":"chat.1"}}`, `text {"id":5,"error":`+denied("presence", "chat.1")+`}`)
	c.expect(`{"id":6,"auth":{"token":"wrong"}}`, failed("6", "invalid_token", "The token is not valid, or is no longer valid.", "new_token"))
	c.send(`{"id":7,"auth":{"token":"valid ann publish:chat.1"}}`) // does not allow joining it
	if f := c.next(); !strings.HasPrefix(f, `text {"goodbye":{"error":{"code":"rules_changed"`) || !strings.Contains(f, `"reconnect":`) {
		t.Errorf("got %s", f)
	}
	c.want("close 4102 rules_changed")
	for len(refusals.Find(refusal.Filter{User: "ann"}, 100)) < 8 { // the end of the session is recorded after the goodbye was sent
		runtime.Gosched()
	}

	var got []string
	for _, e := range refusals.Find(refusal.Filter{User: "ann"}, 100) {
		if e.Transport != "websocket" || e.TokenID != "tok_ann" || e.Session == "" || e.Address != "127.0.0.1" || e.Message == "" {
			t.Errorf("recorded %+v", e)
		}
		got = append(got, fmt.Sprintf("%s %s: %s", e.Verb, e.Channel, e.Code))
	}
	want := []string{
		"session : rules_changed", "auth : invalid_token", "presence chat.1: not_permitted", "history chat.1: not_permitted", "publish chat.1: not_permitted",
		"join chat.1: not_permitted", "join chat.1: not_permitted", "join chat.2: not_permitted",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

// TestClassicRefusalsAreRemembered checks that refusals are recorded, because the classic wire cannot
// report them.
func TestClassicRefusalsAreRemembered(t *testing.T) {
	refusals := refusal.New()
	hub, addr := server(t, overSocket, boreas.Options{MaxChannels: 1}, Options{Check: checkUsers, Refusals: refusals})
	c := newClient(t, addr)
	c.send(joining("a"), `{"access_token": "wrong"}`, `{"access_token": "valid ann join:a join:c"}`, joining("a"), joining("b"), joining("c"))
	c.sync()
	publish(t, hub, "a", "1")
	c.want(`text {"message": 1, "channel": "a"}`)
	var got []string
	for _, e := range refusals.Find(refusal.Filter{}, 100) {
		got = append(got, fmt.Sprintf("%s %s %s %s: %s", e.Transport, e.User, e.Verb, e.Channel, e.Code))
	}
	want := []string{
		"websocket-classic ann join c: too_many_channels", "websocket-classic ann join b: not_permitted",
		"websocket-classic  auth : invalid_token", "websocket-classic  join : unauthenticated",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

// TestTooManyRequests sends more requests at once than a user may send per second. Each one is
// either carried out and answered, or refused and not carried out.
//
// clause 2.9
func TestTooManyRequests(t *testing.T) {
	limits := limit.New(limit.Options{User: limit.Bounds{Requests: 10}})
	hub, v2addr := v2Server(t, overSocket, boreas.Options{}, Options{Check: checkUsers, Limits: limits, Heartbeat: 25 * time.Second})
	c := authenticatedAs(t, v2addr, "valid ann")
	const n = 200
	var all []byte
	for i := range n {
		all = append(all, text(fmt.Sprintf(`{"id":%d,"publish":{"channel":"chat.1","message":%d}}`, i, i))...)
	}
	go c.Write(all) // an error shows in the replies
	done, limited := 0, 0
	for i := range n {
		switch f := c.get(); {
		case strings.HasPrefix(f, fmt.Sprintf(`text {"id":%d,"publish":{"position"`, i)):
			done++
		case strings.HasPrefix(f, fmt.Sprintf(`text {"id":%d,"error":{"code":"rate_limited"`, i)) && strings.Contains(f, "user_requests") && strings.Contains(f, `"retry_after_ms":`):
			limited++
		default:
			t.Fatalf("request %d: %s", i, f)
		}
	}
	if kept := hub.Stats().Publishes; done == 0 || limited == 0 || kept != uint64(done) {
		t.Errorf("%d done, %d refused, %d published", done, limited, kept)
	}

	// The classic wire can only close the connection.
	classic := Options{Check: checkUsers, Limits: limits}
	_, addr := server(t, overSocket, boreas.Options{}, classic)
	old := newClient(t, addr)
	old.send(`{"access_token": "valid bob"}`)
	for range 100 {
		old.send(joining("a"))
	}
	f := old.next()
	if !strings.HasPrefix(f, "close 1008 ") || !strings.Contains(f, "user_requests") {
		t.Errorf("got %s", f)
	}

	// Binary messages are not requests, but they count.
	old = newClient(t, addr)
	old.send(`{"access_token": "valid cid"}`)
	binary := frame(fin|2, "1")
	go old.Write(bytes.Repeat(binary, 100))
	if f := old.next(); !strings.HasPrefix(f, "close 1008 ") || !strings.Contains(f, "user_requests") {
		t.Errorf("binary messages: got %s", f)
	}
	c = authenticatedAs(t, v2addr, "valid dan")
	go c.Write(bytes.Repeat(binary, 40))
	malformed := 0
	for range 40 {
		switch f := c.get(); {
		case strings.Contains(f, `"code":"malformed"`):
			malformed++
		case !strings.Contains(f, `"code":"rate_limited"`):
			t.Fatal(f)
		}
	}
	if malformed == 0 || malformed == 40 {
		t.Errorf("%d binary messages of protocol 2 were processed", malformed)
	}
}

func authenticatedAs(t *testing.T, addr, token string) *v2Client {
	t.Helper()
	c := newV2Client(t, addr)
	c.get()
	c.send(`{"id":1,"auth":{"token":"` + token + `"}}`)
	if f := c.get(); !strings.HasPrefix(f, `text {"id":1,"auth":{"user":`) {
		t.Fatal(f)
	}
	return c
}

// TestSlowTokenChecksDelayNobody sends more tokens at once than there are workers, and their checks are
// slow. All get their replies, and another client is not delayed.
func TestSlowTokenChecksDelayNobody(t *testing.T) {
	var waiting sync.WaitGroup
	release := make(chan struct{})
	check := func(c access.Credentials) (*access.Grant, error) {
		g, err := checkUsers(c)
		if err == nil && g.User == "slow" {
			c.Slow(func() {
				waiting.Done()
				<-release
			})
		}
		return g, err
	}
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Check: check, Heartbeat: 25 * time.Second})
	bystander := authenticatedAs(t, addr, "valid ann")
	var slow []*v2Client
	for range 4*runtime.GOMAXPROCS(0) + 5 {
		waiting.Add(1)
		c := newV2Client(t, addr)
		c.get()
		c.send(`{"id":1,"auth":{"token":"valid slow"}}`, `{"id":2,"ping":{}}`)
		slow = append(slow, c)
	}
	waiting.Wait()
	bystander.expect(`{"id":3,"ping":{}}`, `text {"id":3,"ping":{}}`)
	close(release)
	for _, c := range slow {
		c.expect("", `text {"id":1,"auth":{"user":"slow","expires":"2100-01-02T03:04:05Z"}}`, `text {"id":2,"ping":{}}`)
	}
	bystander.expect(`{"id":4,"ping":{}}`, `text {"id":4,"ping":{}}`)
}

// TestLongListsCountAsManyRequests sends requests with lists. Each counts by its entries, including
// repeated ones.
//
// clause 2.9
func TestLongListsCountAsManyRequests(t *testing.T) {
	const n = 190 // 19 of the 20 requests that are allowed at once, and 10 more per second
	names := strings.TrimSuffix(strings.Repeat(`"chat.1",`, n), ",")
	objects := strings.TrimSuffix(strings.Repeat(`{"channel":"chat.1"},`, n), ",")
	limits := limit.New(limit.Options{User: limit.Bounds{Requests: 10}})
	options := Options{Check: checkUsers, Limits: limits, Heartbeat: 25 * time.Second}
	_, addr := v2Server(t, overSocket, boreas.Options{}, options)
	for kind, list := range map[string]string{"join": objects, "leave": names} {
		c := authenticatedAs(t, addr, "valid "+kind)
		request := fmt.Sprintf(`{"id":1,%q:{"channels":[%s]}}`, kind, list)
		go c.Write(append(text(request), text(request)...))
		if f := c.get(); !strings.HasPrefix(f, `text {"id":1,"`+kind+`"`) {
			t.Errorf("%s: got %.100s", kind, f)
		}
		if f := c.get(); !strings.Contains(f, `"code":"rate_limited"`) {
			t.Errorf("%s again: got %.100s", kind, f)
		}
	}
	_, addr = server(t, overSocket, boreas.Options{}, Options{Check: checkUsers, Limits: limits})
	for kind, request := range map[string]string{
		"joins":   `{"channels": {"join": [` + names + `], "leave": []}}`,
		"leaves":  `{"channels": {"join": [], "leave": [` + names + `]}}`,
		"numbers": `{"channels": {"join": [` + strings.ReplaceAll(names, `"chat.1"`, "1") + `], "leave": []}}`,
	} {
		c := newClient(t, addr)
		c.send(`{"access_token": "valid ` + kind + `"}`)
		c.send(request)
		c.send(request)
		if f := c.next(); !strings.HasPrefix(f, "close 1008 ") || !strings.Contains(f, "user_requests") {
			t.Errorf("%s: got %.100s", kind, f)
		}
	}
}
