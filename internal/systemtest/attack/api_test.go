package attack

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"strings"

	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// onAPI are attacks on the API's guards.
var onAPI = []attack{
	// Guesses (address_failures, CWE-307). Valid keys from the same address are not delayed.
	{"guessing keys", func(a *attacker) string {
		var got turns
		for i := range 25 {
			got.add(a.dial(0, a.API).say(get("/v2/keys", bearer(fmt.Sprintf("bk_%043d", i)))).answer())
		}
		return got.String() + "; a good one: " + a.dial(0, a.API).say(get("/v2/keys", bearer(a.Admin))).answer() + "; from elsewhere: " + a.dial(1, a.API).say(get("/v2/keys", bearer(a.Admin))).answer()
	}, "20 x 401 invalid_key, then 5 x 429 rate_limited; a good one: 200; from elsewhere: 200"},
	// A key in a place that logs record, or that a browser fills in by itself.
	{"keys in the wrong place", func(a *attacker) string {
		key := url.QueryEscape(a.Admin)
		return request(toAPI, get("/v2/keys?access_token="+key), get("/v2/keys?key="+key), get("/v2/keys", "Cookie: session="+a.Admin), get("/v2/keys", "Authorization: Basic "+a.Admin),
			get("/v2/keys", "Authorization: "+a.Admin), get("/v2/keys", "X-API-Key: "+a.Admin), get("/v2/keys", "Authorization: Bearer  "+a.Admin+" x"), get("/v2/keys", "Proxy-Authorization: Bearer "+a.Admin))(a)
	}, "8 x 401 invalid_key"},
	// Keys as subscribers' tokens, and tokens as keys.
	{"keys as tokens, tokens as keys", func(a *attacker) string {
		_, said := a.socket(0, withToken("/v2", a.Admin))
		token := a.tokenOf("ann")
		return said + "; " + request(toAPI, get("/v2/keys", bearer(token)), get("/v2/sessions", bearer(token)), ask("POST", "/v2/tokens", "{}", bearer(token)), get("/metrics", bearer(token)), ask("POST", "/v2/revocations", `{"user":"bystander"}`, bearer(token)))(a)
	}, "401 invalid_token; 403, 4 x 403 not_permitted"},
	// A key with one verb tries the requests of the other verbs (CWE-269).
	{"a key beyond its verbs", func(a *attacker) string {
		key := a.NewKey(object{"name": fmt.Sprint("low", a.number), "verbs": []string{"publish"}}).Key
		return request(toAPI, get("/v2/keys", bearer(key)), ask("POST", "/v2/keys", `{"name":"x","verbs":["admin"]}`, bearer(key)), ask("POST", "/v2/tokens", "{}", bearer(key)),
			ask("POST", "/token/", "", bearer(key)), get("/token/", bearer(key)), get("/debug/token-dump", bearer(key)), get("/v2/sessions", bearer(key)), get("/v2/refusals", bearer(key)),
			ask("POST", "/v2/tokens/inspect", `{"token":"x"}`, bearer(key)), ask("DELETE", "/v2/sessions/s_x", "", bearer(key)), ask("POST", "/v2/revocations", `{"user":"bystander"}`, bearer(key)))(a)
	}, "3 x 403, 8 x 403 not_permitted"},
	// A key that may make tokens must not make keys, or use the other verbs.
	{"a key that makes a better one", func(a *attacker) string {
		key := a.NewKey(object{"name": fmt.Sprint("mid", a.number), "verbs": []string{"tokens"}}).Key
		return request(toAPI, ask("POST", "/v2/keys", `{"name":"x","verbs":["admin"]}`, bearer(key)), ask("DELETE", "/v2/keys/key_x", "", bearer(key)), get("/metrics", bearer(key)), ask("POST", "/v2/channels/news/messages", "1", bearer(key)))(a)
	}, "403, 3 x 403 not_permitted"},
	// A key for some channels publishes to others: by name, by an escaped name, in a batch, with
	// the classic API.
	{"a key beyond its channels", func(a *attacker) string {
		key := a.NewKey(object{"name": fmt.Sprint("chan", a.number), "verbs": []string{"publish"}, "channels": []string{"mine.*"}}).Key
		one := request(toAPI, ask("POST", "/v2/channels/news/messages", "1", bearer(key)), ask("POST", "/v2/channels/mine.%2e%2e%2fnews/messages", "1", bearer(key)), ask("POST", "/broadcast/news/", "1", bearer(key)), ask("POST", "/v2/channels/mine.a.b/messages", "1", bearer(key)))(a)
		said, codes := a.batch(0, key, `{"messages":[{"channel":"mine.a","message":1},{"channel":"news","message":1},{"channel":"mine.a","message":2,"channel":"news"}]}`)
		return one + "; in a batch: " + said + " with " + codes.String()
	}, "403, 3 x 403 not_permitted; in a batch: 200 with 2 x not_permitted"},
	// The routes that need a key, without one. A HEAD must not reveal more than a GET.
	{"without a key", request(toAPI, get("/v2/stats"), get("/metrics"), get("/debug/token-dump"), get("/debug/recipient-dump"), get("/token/"), get("/v2/keys"), ask("HEAD", "/v2/keys", "", "Connection: close"), ask("POST", "/broadcast/news/", "1"), ask("DELETE", "/token/x", ""), get("/debug/pprof/")), "6 x 401, 2 x 401 invalid_key, 401 without the body, 404"},
	// Headers that make some frameworks use another method.
	{"a method in a header", func(a *attacker) string {
		m := a.NewToken(object{"user": "ann"})
		said := request(toAPI, get("/v2/tokens/"+m.ID, bearer(a.Admin), "X-HTTP-Method-Override: DELETE"), get("/v2/tokens/"+m.ID+"?_method=DELETE", bearer(a.Admin)))(a)
		return said + "; it is still there: " + second(a.socket(0, withToken("/v2", m.Token)))
	}, "200, 400 malformed; it is still there: 101"},
	// Paths of DELETE with encoded slashes and dots.
	{"deleting with encoded slashes", func(a *attacker) string {
		m := a.NewToken(object{"user": "ann"})
		said := request(toAPI, ask("DELETE", "/v2/tokens/"+m.ID+"%2f..%2fx", "", bearer(a.Admin)), ask("DELETE", "/v2/tokens/..%2ftokens%2f"+m.ID, "", bearer(a.Admin)), ask("DELETE", "/v2/tokens/%00", "", bearer(a.Admin)),
			ask("DELETE", "/token/%2e%2e%2fv2%2fkeys", "", bearer(a.Admin)), ask("DELETE", "/token/a%2fb", "", bearer(a.Admin)), ask("DELETE", "/token/", "", bearer(a.Admin)), ask("DELETE", "/v2/tokens", "", bearer(a.Admin)), ask("DELETE", "/v2/tokens/"+m.Token, "", bearer(a.Admin)))(a)
		return said + "; it is still there: " + second(a.socket(0, withToken("/v2", m.Token)))
	}, "2 x 204, 4 x 404 no_token, 405, 405 method_not_allowed; it is still there: 101"},
	// A page that has the key of a tool of its visitor is still of another origin.
	{"a page that has the key", func(a *attacker) string {
		return request(toAPI, ask("POST", "/v2/channels/x/messages", "1", bearer(a.Admin), "Origin: https://evil.example"), ask("POST", "/v2/keys", "{}", bearer(a.Admin), "Sec-Fetch-Site: cross-site"))(a)
	}, "2 x 403 origin_not_allowed"},
	// An oracle: for a token that does not exist, inspect may only depend on its format, which
	// shows whether the server or the backend would know it (CWE-203).
	{"inspect as an oracle", func(a *attacker) string {
		got, code := make(tally), ""
		for _, token := range []string{"bt_" + strings.Repeat("A", 43), "bt_x", "x", a.Admin, strings.Repeat("0", 128) + "-1700000000"} {
			_, _, body := a.dial(0, a.API).say(ask("POST", "/v2/tokens/inspect", encodeText(object{"token": token}), bearer(a.Admin))).whole()
			got.add(string(body))
			code = whole.CodeOf(body)
		}
		return fmt.Sprintf("%d answers to all: %s", len(got), code)
	}, "2 answers to all: invalid_token"},
	// Thousands of new tokens, which are all stored (address_requests, too_many_stored).
	{"a flood of new tokens", func(a *attacker) string { return a.pours("/v2/tokens", `{"user":"flood"}`, 3000) }, "201, 429 rate_limited"},
	// Thousands of revocations. Each is stored, and checks all sessions.
	{"a flood of revocations", func(a *attacker) string {
		var texts []string
		for i := range 3000 {
			texts = append(texts, fmt.Sprintf(`{"user":"nobody%d"}`, i))
		}
		return a.pours("/v2/revocations", "", 0, texts...)
	}, "201, 429 rate_limited"},
	// Many keys with the same name.
	{"a flood of keys", func(a *attacker) string {
		got := a.pours("/v2/keys", `{"name":"same","verbs":["stats"]}`, 5)
		return got
	}, "201, 400 malformed"},
}

// pours sends requests one after another with the operator's key, and returns the kinds of outcomes
// without their numbers.
func (a *attacker) pours(path, body string, n int, bodies ...string) string {
	for range n {
		bodies = append(bodies, body)
	}
	l := a.dial(0, a.API)
	var all strings.Builder
	for _, body := range bodies {
		all.WriteString(ask("POST", path, body, bearer(a.Admin)))
	}
	go l.say(all.String())
	got := make(tally)
	for range bodies {
		got.add(l.answer())
	}
	return got.kinds()
}

// byBodies are attacks with the bodies of requests to the API.
var byBodies = []attack{
	// A length larger than any memory: the server does not read a byte of the body.
	{"a body of a TiB", func(a *attacker) string {
		return request(toAPI, lines("POST /v2/messages HTTP/1.1", "Host: localhost", bearer(a.Admin), fmt.Sprint("Content-Length: ", int64(1)<<40)),
			lines("POST /broadcast/news/ HTTP/1.1", "Host: localhost", bearer(a.Admin), fmt.Sprint("Content-Length: ", int64(1)<<40)))(a)
	}, "400, 413 too_large"},
	// Endless chunks (max_body).
	{"an endless body", func(a *attacker) string {
		l := a.dial(0, a.API)
		go l.say(lines("POST /v2/messages HTTP/1.1", "Host: localhost", bearer(a.Admin), "Transfer-Encoding: chunked") + strings.Repeat("10000\r\n"+strings.Repeat(" ", 0x10000)+"\r\n", 200))
		return l.answer()
	}, "413 too_large"},
	// Small bodies that decompress to far more than max_body (CWE-409), a body that only looks
	// compressed, and one that is compressed many times.
	{"a decompression bomb", func(a *attacker) string {
		var bomb, twice bytes.Buffer
		z := gzip.NewWriter(&bomb)
		z.Write(make([]byte, 64<<20))
		z.Close()
		z.Reset(&twice)
		z.Write(bomb.Bytes())
		z.Close()
		damaged := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + strings.Repeat("\xec\xc1\x01\x01\x00\x00\x00\x80\x90", 1000)
		return request(toAPI, ask("POST", "/v2/channels/x/messages", bomb.String(), bearer(a.Admin), "Content-Encoding: gzip"),
			ask("POST", "/v2/messages", twice.String(), bearer(a.Admin), "Content-Encoding: gzip, x-gzip"),
			ask("POST", "/v2/tokens", damaged, bearer(a.Admin), "Content-Encoding: gzip"), ask("POST", "/v2/tokens", damaged, bearer(a.Admin), "Content-Encoding: deflate"),
			ask("POST", "/v2/tokens", bomb.String(), bearer(a.Admin), "Content-Encoding: "+strings.Repeat("gzip,", 1000)))(a)
	}, "2 x 400 malformed, 2 x 413 too_large, 415 unsupported_encoding"},
	// A client announces a body, waits for the 100, and does not send the body (RFC 9110, 10.1.1).
	// A body over the limit is refused without a 100.
	{"Expect: 100-continue, and then nothing", func(a *attacker) string {
		for i := range 50 {
			a.dial(i, a.API).say(lines("POST /v2/messages HTTP/1.1", "Host: localhost", bearer(a.Admin), "Content-Length: 100", "Expect: 100-continue"))
		}
		a.crowd.await(20)
		return "50 wait; " + request(toAPI, lines("POST /v2/messages HTTP/1.1", "Host: localhost", bearer(a.Admin), fmt.Sprint("Content-Length: ", 1<<30), "Expect: 100-continue"),
			lines("POST /v2/messages HTTP/1.1", "Host: localhost", "Content-Length: 100", "Expect: 100-continue"), lines("POST /v2/messages HTTP/1.1", "Host: localhost", bearer(a.Admin), "Content-Length: 2", "Expect: magic"))(a)
	}, "50 wait; 401 invalid_key, 413 too_large, 417"},
	// A batch with one message over the limit, and an empty batch.
	{"a batch of 1,001", func(a *attacker) string {
		item := `{"channel":"a","message":1},`
		return request(toAPI, ask("POST", "/v2/messages", `{"messages":[`+strings.TrimSuffix(strings.Repeat(item, 1001), ",")+`]}`, bearer(a.Admin)), ask("POST", "/v2/messages", `{"messages":[]}`, bearer(a.Admin)))(a)
	}, "200, 400 malformed"},
	// JSON on which parsers disagree: deep nesting, repeated members, invalid numbers (CWE-1321,
	// RFC 8259, 4).
	{"JSON on which parsers disagree", func(a *attacker) string {
		key := bearer(a.Admin)
		return request(toAPI, ask("POST", "/v2/tokens", strings.Repeat("[", 500_000), key), ask("POST", "/v2/tokens", `{"user":"a","user":"admin"}`, key), ask("POST", "/v2/tokens", `{"User":"a"}`, key), ask("POST", "/v2/tokens", `{"__proto__":{}}`, key),
			ask("POST", "/v2/tokens", `{"ttl":1e99}`, key), ask("POST", "/v2/tokens", `{"ttl":NaN}`, key), ask("POST", "/v2/tokens", `{"ttl":-1}`, key), ask("POST", "/v2/tokens", `{}{}`, key), ask("POST", "/v2/tokens", "\xef\xbb\xbf{}", key),
			ask("POST", "/v2/tokens", `{"rules":[{"channels":["**"],"allow":["join"],"Deny":["join"]}]}`, key), ask("POST", "/v2/tokens", `{"label":"`+strings.Repeat("l", 256)+`"}`, key), ask("POST", "/v2/tokens", `{"expires":"0001-01-01T00:00:00Z"}`, key))(a)
	}, "12 x 400 malformed"},
	// A message nested so deeply that a parser's stack overflows (CVE-2022-28131's class).
	{"a deep message", func(a *attacker) string {
		deep := strings.Repeat("[", 400_000) + strings.Repeat("]", 400_000)
		return request(toAPI, ask("POST", "/v2/channels/x/messages", deep, bearer(a.Admin)), ask("POST", "/broadcast/x/", deep, bearer(a.Admin)), ask("POST", "/v2/messages", `{"messages":[{"channel":"x","message":`+deep+`}]}`, bearer(a.Admin)))(a)
	}, "400, 2 x 400 malformed"},
	// Patterns that take long to match (CVE-2022-21698's class): hundreds of stars against a long
	// name.
	{"patterns that explode", func(a *attacker) string {
		name := strings.Repeat("a", 250)
		said := a.dial(0, a.API).say(ask("POST", "/v2/tokens", encodeText(object{"user": "ann", "rules": []object{{"channels": []string{strings.Repeat("*a", 100) + "b"}, "allow": []string{"join"}}}}), bearer(a.Admin))).answer()
		token := a.NewToken(object{"user": "ann", "rules": []object{{"channels": []string{strings.Repeat("a*", 20) + "b", strings.Repeat("**a", 20) + "b"}, "allow": []string{"join"}}}}).Token
		l := a.open(0, withToken("/v2", token))
		got := make(tally)
		for range 100 {
			got.add(l.say(wstest.Text(joinOf(name, ""))).reply("j"))
		}
		return said + "; " + got.String()
	}, "201; 100 x not_permitted"},
	// Invalid names of channels, in a path and in a body.
	{"invalid channel names", func(a *attacker) string {
		key := bearer(a.Admin)
		return request(toAPI, ask("POST", "/v2/channels/"+strings.Repeat("n", 256)+"/messages", "1", key), ask("POST", "/v2/channels//messages", "1", key), ask("POST", "/v2/channels/%0a/messages", "1", key), ask("POST", "/v2/channels/%ff/messages", "1", key),
			ask("POST", "/broadcast/%00/", "1", key), ask("POST", "/broadcast//", "1", key))(a)
	}, "2 x 400, 4 x 400 channel_name"},
	// Unknown parameters, and parameters with invalid values.
	{"unknown parameters", func(a *attacker) string {
		key := bearer(a.Admin)
		return request(toAPI, ask("POST", "/v2/channels/x/messages?dry_run=maybe", "1", key), ask("POST", "/v2/channels/x/messages?dryrun=true", "1", key), get("/v2/sessions?limit=1000000", key), get("/v2/sessions?limit=-1", key), get("/v2/sessions?user=a&user=b", key), get("/v2/refusals?after=%zz", key))(a)
	}, "6 x 400 malformed"},
}
