package doctor

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// healthy has the findings for a healthy server, by check.
var healthy = map[string]string{
	"tls":         "ok: API is on this machine and needs no TLS\nok: WS is on this machine and needs no TLS",
	"api":         "ok: http://API answers",
	"ready":       "ok: the server accepts traffic",
	"key":         "ok: the API requires no key, and only this machine seems to reach it",
	"clock":       "ok: the clocks are less than 30s apart",
	"websocket":   "ok: the upgrade works, the server speaks protocol 2, and it answers a ping",
	"origin":      "skipped: no --origin was given",
	"events":      "ok: the stream begins at once, and a message arrives at once",
	"descriptors": "ok: 12 of 20000 are in use; that is enough for about 18750 connections",
	"token":       "skipped: no token was given",
}

const (
	outOfReach = "skipped: the API cannot be reached"
	noKey      = "skipped: the API cannot be reached, or does not accept the key"
	noStream   = "warning: not checked: there is no token, and the API cannot make one\n  Give a token with --token-file, or a key with the verb tokens."
	plain      = " has no TLS: others on the network can read keys, tokens and messages\n" +
		"  Give the server a certificate (options `api_tls_cert` and `ws_tls_cert`), or put a proxy with a certificate in front of it.\n"
	makeOne = "\n  Make a key on this server: `boreas key new`."
)

// examine checks a fake server and returns the findings, by check.
func examine(t *testing.T, f *fake, o Options) map[string]string {
	t.Helper()
	found := make(map[string]string)
	var order []string
	o.Now = func() time.Time { return now }
	err := Run(t.Context(), o, func(g Finding) {
		text := string(g.Level) + ": " + g.Text
		if g.Do != "" {
			text += "\n  " + g.Do
		}
		text = strings.ReplaceAll(text, f.api.Listener.Addr().String(), "API")
		text = strings.ReplaceAll(text, f.ws.Listener.Addr().String(), "WS")
		if before, again := found[g.Check]; again {
			text = before + "\n" + text
		} else {
			order = append(order, g.Check)
		}
		found[g.Check] = text
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.tokens.Load(); n != 0 {
		t.Errorf("%d tokens were left behind", n)
	}
	var want []string
	for _, c := range checks {
		if (c.name == "nodes" || c.name == "across") && found[c.name] == "" {
			continue // it reports nothing about a server that is alone
		}
		want = append(want, c.name)
	}
	if !slices.Equal(order, want) {
		t.Errorf("checked %v, want %v", order, want)
	}
	return found
}

func TestFindings(t *testing.T) {
	for name, test := range map[string]struct {
		ruin   func(*fake)
		change func(*fake, *Options)
		want   map[string]string // the findings that differ from healthy
	}{
		"nothing": {},
		"ports are swapped": {
			change: func(f *fake, o *Options) {
				o.API, o.WS = f.ws.URL, "ws"+strings.TrimPrefix(f.api.URL, "http")
			},
			want: map[string]string{
				"tls":       "ok: WS is on this machine and needs no TLS\nok: API is on this machine and needs no TLS",
				"api":       "FAILED: http://WS is the port for subscribers, not the API\n  Swap --api and --ws.",
				"ready":     outOfReach,
				"key":       outOfReach,
				"clock":     outOfReach,
				"websocket": "FAILED: ws://API is the API, not the port for subscribers\n  Swap --api and --ws.",
				"events":    noStream, "descriptors": noKey,
			},
		},
		"nothing listens": {
			change: func(f *fake, _ *Options) { f.api.Close(); f.ws.Close() },
			want: map[string]string{
				"api":       "FAILED: nothing listens at API\n  Start the server, or use the port in its log.",
				"ready":     outOfReach,
				"key":       outOfReach,
				"clock":     outOfReach,
				"websocket": "FAILED: nothing listens at WS\n  Start the server, or use the port in its log.",
				"events":    noStream, "descriptors": noKey,
			},
		},
		"a proxy without a server": {
			ruin: func(f *fake) {
				f.apiRoutes["/healthz"] = says(502, "<html>")
				f.wsRoutes["/v2"] = says(504, "<html>")
			},
			want: map[string]string{
				"api":       "FAILED: a proxy answers 502 Bad Gateway: it does not reach the server\n  " + behind,
				"ready":     outOfReach,
				"key":       outOfReach,
				"clock":     outOfReach,
				"websocket": "FAILED: a proxy answers 504 Gateway Timeout: it does not reach the server\n  " + behind,
				"events":    noStream, "descriptors": noKey,
			},
		},
		"another program": {
			ruin: func(f *fake) {
				f.apiRoutes["/healthz"] = says(200, "<html>")
				f.wsRoutes["/v2"] = says(200, "<html>")
			},
			want: map[string]string{
				"api": "FAILED: http://API is not the API of a Boreas server: /healthz answers 200 OK\n  " +
					"Correct the URL; if there is a proxy in between, check which paths it forwards.",
				"ready":     outOfReach,
				"key":       outOfReach,
				"clock":     outOfReach,
				"websocket": "FAILED: no upgrade: a proxy or another program answers 200 OK\n  " + nginx,
				"events":    noStream, "descriptors": noKey,
			},
		},
		"it is not ready": {
			ruin: func(f *fake) { f.apiRoutes["/readyz"] = says(503, "the key server does not answer\n") },
			want: map[string]string{
				"ready": "FAILED: the server is not ready: the key server does not answer\n  Wait if the server is starting or stopping; otherwise correct the named problem.",
			},
		},
		"the proxy drops Upgrade": {
			ruin: func(f *fake) {
				f.wsRoutes["/v2"] = refuses(426, "upgrade_required", "This is a WebSocket, and the request has no header `Upgrade: websocket`.")
			},
			want: map[string]string{
				"websocket": "FAILED: a proxy in between drops the headers of the upgrade: This is a WebSocket, and the request has no header `Upgrade: websocket`.\n  " + nginx,
			},
		},
		"the proxy speaks HTTP/1.0": {
			ruin: func(f *fake) {
				f.wsRoutes["/v2"] = refuses(400, "malformed", "A WebSocket handshake needs HTTP/1.1. See its proxy_http_version.")
			},
			want: map[string]string{
				"websocket": "FAILED: a proxy in between drops the headers of the upgrade: A WebSocket handshake needs HTTP/1.1. See its proxy_http_version.\n  " + nginx,
			},
		},
		"a redirect": {
			ruin: func(f *fake) {
				f.wsRoutes["/v2"] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }
			},
			want: map[string]string{
				"websocket": "FAILED: the answer is a redirect, 302 Found, which browsers do not follow for a WebSocket\n  Use the URL that it redirects to.",
			},
		},
		"there is no room": {
			ruin: func(f *fake) { f.wsRoutes["/v2"] = refuses(503, "overloaded", "The server is full.") },
			want: map[string]string{"websocket": "FAILED: the server refuses: The server is full.\n  See docs/errors.md#overloaded."},
		},
		"another protocol": {
			ruin: func(f *fake) { f.wsRoutes["/v2"] = speak(`{"hello":{"protocol":3}}`, true) },
			want: map[string]string{
				"websocket": "FAILED: the upgrade works, but the server does not speak protocol 2\n  " +
					"Check that ws://WS/v2 is the URL of a Boreas server, and that no proxy in between delays frames.",
			},
		},
		"another program with WebSockets": {
			ruin: func(f *fake) { f.wsRoutes["/v2"] = speak("hello", true) },
			want: map[string]string{
				"websocket": "FAILED: the upgrade works, but the server does not speak protocol 2\n  " +
					"Check that ws://WS/v2 is the URL of a Boreas server, and that no proxy in between delays frames.",
			},
		},
		"pings are held back": {
			ruin:   func(f *fake) { f.wsRoutes["/v2"] = speak(`{"hello":{"protocol":2}}`, false) },
			change: func(_ *fake, o *Options) { o.Timeout = time.Second },
			want: map[string]string{
				"websocket": "FAILED: a ping was not answered within 1s\n  " +
					"Check that ws://WS/v2 is the URL of a Boreas server, and that no proxy in between delays frames.",
			},
		},
		"the origin is wrong": {
			ruin: func(f *fake) {
				f.wsRoutes["/v2"] = func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Origin") != "" {
						refuses(403, "origin_not_allowed", "Pages of https://a may not connect.")(w, r)
						return
					}
					speak(`{"hello":{"protocol":2}}`, true)(w, r)
				}
			},
			change: func(_ *fake, o *Options) { o.Origin = "https://a" },
			want: map[string]string{
				"origin": "FAILED: a page of https://a cannot connect: Pages of https://a may not connect.\n  Add the origin to the server's option `allow_origin`.",
			},
		},
		"the origin is right": {
			change: func(_ *fake, o *Options) { o.Origin = "https://a" },
			want:   map[string]string{"origin": "ok: pages of https://a may connect"},
		},
		"the proxy buffers all": {
			ruin:   func(f *fake) { f.wsRoutes["/v2/events"] = hold },
			change: func(_ *fake, o *Options) { o.Wait = 50 * time.Millisecond },
			want:   map[string]string{"events": "FAILED: no event arrived within 50ms: a proxy buffers event streams\n  " + unbuffered},
		},
		"the proxy buffers messages": {
			ruin:   func(f *fake) { f.wsRoutes["/v2/events"] = f.events(false) },
			change: func(_ *fake, o *Options) { o.Wait = time.Second },
			want:   map[string]string{"events": "FAILED: a message did not arrive within 1s: a proxy buffers event streams\n  " + unbuffered},
		},
		"two servers": {
			ruin: func(f *fake) {
				f.wsRoutes["/v2/events"] = f.events(false)
				f.apiRoutes["/v2/channels/"] = says(201, `{"position":"p","subscribers":0}`)
			},
			change: func(_ *fake, o *Options) { o.Wait = time.Second },
			want: map[string]string{
				"events": "FAILED: a message published at the API does not arrive on the stream: --api and --ws are not the same server\n  Give the two URLs of one server.",
			},
		},
		"two servers, found by the token": {
			ruin: func(f *fake) { f.wsRoutes["/v2/events"] = refuses(401, "invalid_token", "The token is not valid.") },
			want: map[string]string{
				"events": "FAILED: a token that the API has just made is not valid here: --api and --ws are not the same server\n  Give the two URLs of one server.",
			},
		},
		"no stream": {
			ruin: func(f *fake) { delete(f.wsRoutes, "/v2/events") },
			want: map[string]string{
				"events": "FAILED: the answer is 404 Not Found, and not an event stream: a proxy or another program answered\n  Configure the proxy to forward /v2/events to the server.",
			},
		},
		"the key may not make tokens, and the token may not join": {
			ruin: func(f *fake) {
				f.apiRoutes["/v2/tokens"] = refuses(403, "not_permitted", "The key may not.")
				f.wsRoutes["/v2/events"] = refuses(403, "not_permitted", "The rules do not allow it.")
			},
			change: func(_ *fake, o *Options) { o.Token = "T" },
			want: map[string]string{
				"events": "warning: not checked: The rules do not allow it.\n  Give a key with the verb tokens, or a token that allows join on boreas.doctor.*.",
				"token":  "ok: valid: opaque tok_1, user u1, until 2026-05-07T00:00:00Z, 1 rule",
			},
		},
		"the key may not publish": {
			ruin: func(f *fake) {
				f.apiRoutes["/v2/channels/"] = refuses(403, "not_permitted", "The key may not publish.")
			},
			want: map[string]string{"events": "warning: the stream begins at once; the delay of messages was not checked: The key may not publish."},
		},
		"the clock is behind": {
			ruin: func(f *fake) { f.apiRoutes["/healthz"] = dated(now.Add(-90 * time.Second)) },
			want: map[string]string{
				"clock": "FAILED: the server's clock is 1m30s behind this machine's: tokens, above all JWTs, expire too early or too late\n  Set both clocks by NTP.",
			},
		},
		"the clock is ahead": {
			ruin: func(f *fake) { f.apiRoutes["/healthz"] = dated(now.Add(31 * time.Second)) },
			want: map[string]string{
				"clock": "FAILED: the server's clock is 31s ahead of this machine's: tokens, above all JWTs, expire too early or too late\n  Set both clocks by NTP.",
			},
		},
		"the clocks differ a little": {ruin: func(f *fake) { f.apiRoutes["/healthz"] = dated(now.Add(30 * time.Second)) }},
		"there are few descriptors": {
			ruin: func(f *fake) {
				f.apiRoutes["/metrics"] = says(200, "process_max_fds 1024\nprocess_open_fds 12\nboreas_file_descriptors{for=\"api\"} 96\n"+
					"boreas_file_descriptors{for=\"files\"} 64\nboreas_file_descriptors{for=\"handshakes\"} 96\nboreas_file_descriptors{for=\"sessions\"} 768\n")
			},
			want: map[string]string{
				"descriptors": "warning: 12 of 1024 are in use; that is enough for about 768 connections\n  " + moreDescriptors,
			},
		},
		"descriptors run out": {
			ruin: func(f *fake) { f.apiRoutes["/metrics"] = says(200, "process_max_fds 2e4\nprocess_open_fds 15000\n") },
			want: map[string]string{
				"descriptors": "warning: 15000 of 20000 are in use; that is enough for about 18750 connections\n  " + moreDescriptors,
			},
		},
		"descriptors have run out": {
			ruin: func(f *fake) { f.apiRoutes["/metrics"] = says(200, "process_max_fds 20000\nprocess_open_fds 18750\n") },
			want: map[string]string{
				"descriptors": "FAILED: 18750 of 20000 are in use; that is enough for about 18750 connections, and the server refuses more\n  " + moreDescriptors,
			},
		},
		"the number of descriptors is unknown": {
			ruin: func(f *fake) { f.apiRoutes["/metrics"] = says(200, "x 1\n") },
			want: map[string]string{"descriptors": "skipped: the server's system does not report it"},
		},
		"not on this machine, and without a key": {
			change: func(f *fake, o *Options) {
				o.API, o.WS = "http://api.example:8001", "ws://push.example"
				o.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					to := map[string]*httptest.Server{"api.example:8001": f.api, "push.example:80": f.ws}[address]
					return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
				}
			},
			want: map[string]string{
				"tls": "warning: api.example:8001" + plain + "warning: push.example" + strings.TrimSuffix(plain, "\n"),
				"api": "ok: http://api.example:8001 answers",
				"key": "FAILED: everyone who reaches api.example:8001 can publish and make tokens, because the API requires no key\n  " +
					"Make a key with `boreas key new`, or let the API listen on 127.0.0.1 only.",
			},
		},
		"a name that cannot be resolved": {
			change: func(_ *fake, o *Options) {
				o.API, o.WS = "http://api.example", "ws://push.example"
				o.dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Err: "no such host"}
				}
			},
			want: map[string]string{
				"tls":       "warning: api.example" + plain + "warning: push.example" + strings.TrimSuffix(plain, "\n"),
				"api":       "FAILED: the name api.example cannot be resolved\n  Correct the name in the URL, or its entry in the DNS.",
				"ready":     outOfReach,
				"key":       outOfReach,
				"clock":     outOfReach,
				"websocket": "FAILED: the name push.example cannot be resolved\n  Correct the name in the URL, or its entry in the DNS.",
				"events":    noStream, "descriptors": noKey,
			},
		},
		"no answer": {
			ruin:   func(f *fake) { f.apiRoutes["/healthz"], f.wsRoutes["/v2"] = hold, hold },
			change: func(_ *fake, o *Options) { o.Timeout = 50 * time.Millisecond },
			want: map[string]string{
				"api":       "FAILED: API did not answer within 50ms\n  Check for a firewall in between, and check the address.",
				"ready":     outOfReach,
				"key":       outOfReach,
				"clock":     outOfReach,
				"websocket": "FAILED: WS did not answer within 50ms\n  Check for a firewall in between, and check the address.",
				"events":    noStream, "descriptors": noKey,
			},
		},
		"a key that is not needed": {
			change: func(_ *fake, o *Options) { o.Key = "bk_1" },
			want:   map[string]string{"key": "warning: the API requires no key, so yours was not checked" + makeOne},
		},
		"a key is demanded": {
			ruin: demand,
			want: map[string]string{
				"key":    "warning: the API requires a key, and none was given\n  Give a key in BOREAS_API_KEY or with --key-file, to check more.",
				"events": noStream, "descriptors": noKey,
			},
		},
		"a key is demanded, and there is a token": {
			ruin:   demand,
			change: func(_ *fake, o *Options) { o.Token = "T" },
			want: map[string]string{
				"key":         "warning: the API requires a key, and none was given\n  Give a key in BOREAS_API_KEY or with --key-file, to check more.",
				"events":      "warning: the stream begins at once; the delay of messages was not checked, because the API cannot be reached or does not accept the key",
				"descriptors": noKey, "token": noKey,
			},
		},
		"the key is right": {
			ruin:   demand,
			change: func(_ *fake, o *Options) { o.Key = "bk_right" },
			want:   map[string]string{"key": "ok: the API requires a key and accepts this one"},
		},
		"the key is right, and sees no figures": {
			ruin:   demand,
			change: func(_ *fake, o *Options) { o.Key = "bk_few" },
			want:   map[string]string{"key": "ok: the API requires a key and accepts this one, which has no permission for counters"},
		},
		"the key is wrong": {
			ruin:   demand,
			change: func(_ *fake, o *Options) { o.Key = "bk_wrong" },
			want: map[string]string{
				"key":    "FAILED: the API does not accept the key: It is not known.\n  Make another with `boreas key new`.",
				"events": noStream, "descriptors": noKey,
			},
		},
		"the host is not allowed": {
			ruin: func(f *fake) {
				f.apiRoutes["/v2/channels/"+Channel] = refuses(403, "host_not_allowed", "Not under this name.")
			},
			want: map[string]string{
				"key":    "FAILED: Not under this name.\n  Use the host localhost or 127.0.0.1, name the host in option `api_hosts`, or make a key: `boreas key new`.",
				"events": noStream, "descriptors": noKey,
			},
		},
		"the token is not valid": {
			ruin: func(f *fake) {
				f.apiRoutes["/v2/tokens/inspect"] = says(200, `{"valid":false,"error":{"code":"token_expired","message":"The token has expired."}}`)
			},
			change: func(_ *fake, o *Options) { o.Token = "T" },
			want:   map[string]string{"token": "FAILED: The token has expired.\n  Get another token: `boreas token new`, or from your backend."},
		},
		"the token may do nothing": {
			ruin: func(f *fake) {
				f.apiRoutes["/v2/tokens/inspect"] = says(200, `{"valid":true,"kind":"jwt","id":"jwt_1","rules":[]}`)
			},
			change: func(_ *fake, o *Options) { o.Token = "T" },
			want: map[string]string{
				"token": "warning: valid: jwt jwt_1, without an expiry, it has no rules and allows nothing\n  Give it rules: docs/errors.md#not_permitted.",
			},
		},
		"the token may do everything": {
			ruin: func(f *fake) {
				f.apiRoutes["/v2/tokens/inspect"] = says(200, `{"valid":true,"kind":"classic","id":"tok_1"}`)
			},
			change: func(_ *fake, o *Options) { o.Token = "T" },
			want:   map[string]string{"token": "ok: valid: classic tok_1, without an expiry, it allows everything"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			if test.ruin != nil {
				test.ruin(f)
			}
			f.start(t, (*httptest.Server).Start)
			o := Options{API: f.api.URL, WS: "ws" + strings.TrimPrefix(f.ws.URL, "http"), Wait: 20 * time.Second}
			if test.change != nil {
				test.change(f, &o)
			}
			want := maps.Clone(healthy)
			maps.Copy(want, test.want)
			if diff := cmp.Diff(want, examine(t, f, o)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// dated returns a healthy reply with another time.
func dated(at time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", at.Format(http.TimeFormat))
		says(200, "ok\n")(w, r)
	}
}

// demand makes the API require a key.
func demand(f *fake) {
	for path, h := range f.apiRoutes {
		f.apiRoutes[path] = func(w http.ResponseWriter, r *http.Request) {
			answer := h
			switch shown := r.Header.Get("Authorization"); {
			case path == "/healthz" || path == "/readyz" || shown == "Bearer bk_right":
			case shown != "Bearer bk_few":
				answer = refuses(401, "invalid_key", "It is not known.")
			case path == "/v2/stats":
				answer = refuses(403, "not_permitted", "No.")
			}
			answer(w, r)
		}
	}
}

func TestInvalidURLs(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{API: "ws://h"}, `API URL "ws://h": give it as http://HOST:PORT or https://HOST:PORT`},
		{Options{WS: "http://h"}, "WebSocket URL: give it as ws://HOST:PORT or wss://HOST:PORT"},
	} {
		err := Run(t.Context(), test.o, func(f Finding) { t.Errorf("found %v", f) })
		if err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}
