package attack

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// byRequests are attacks with requests of protocol 2, by a client with a valid token.
var byRequests = []attack{
	// Invalid requests, one after another (clause 2.5).
	{"a flood of invalid requests", func(a *attacker) string {
		return a.in("ann").say(strings.Repeat(wstest.Text(`{"nonsense":{}}`), 60)).end()
	}, "closed with 4402 too_many_malformed"},
	// Nesting that overflows a stack (CWE-674, CVE-2022-28131's class).
	{"deep nesting", func(a *attacker) string {
		l := a.in("ann")
		got := make(tally)
		for _, m := range []string{
			strings.Repeat("[", 60_000), strings.Repeat(`{"a":`, 12_000),
			`{"id":1,"publish":{"channel":"open.a","message":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}}`,
			`{"id":1,"join":{"channels":[{"channel":"open.a","info":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}]}}`,
		} {
			got.add(l.say(wstest.Text(m)).reply(1))
		}
		return got.String()
	}, "4 x malformed"},
	// Repeated members: the last one counts; a request with several kinds has none (clause 1.2).
	{"repeated members", func(a *attacker) string {
		l := a.in("ann")
		var got []string
		for _, m := range []string{
			`{"id":1,"id":2,"ping":{}}`, `{"id":2,"ping":{},"join":{"channels":[{"channel":"open.a"}]}}`,
			`{"id":2,"publish":{"channel":"secret","channel":"open.a","message":1}}`, `{"id":2,"publish":{"channel":"open.a","channel":"secret","message":1}}`,
		} {
			got = append(got, l.say(wstest.Text(m)).reply(2))
		}
		return strings.Join(got, ", ")
	}, "ok, malformed, ok, not_permitted"},
	// IDs that are huge, fractions, or of a wrong type (clause 2.2).
	{"huge ids", func(a *attacker) string {
		l := a.in("ann")
		got := make(tally)
		for _, id := range []string{`"` + strings.Repeat("i", 65) + `"`, "1e999", "-1", "9007199254740992", "1.5", "[]", "null", "true", strings.Repeat("9", 10_000)} {
			got.add(l.say(wstest.Text(`{"id":` + id + `,"ping":{}}`)).reply(id))
		}
		return got.String()
	}, "9 x malformed"},
	// Numbers that overflow every integer type.
	{"numbers beyond all bounds", func(a *attacker) string {
		l := a.in("ann")
		got := make(tally)
		for _, m := range []string{
			`{"id":1,"history":{"channel":"open.a","limit":1e400}}`, `{"id":1,"history":{"channel":"open.a","limit":-1}}`, `{"id":1,"history":{"channel":"open.a","limit":1001}}`,
			`{"id":1,"join":{"channels":[{"channel":"open.a","last":-1}]}}`, `{"id":1,"join":{"channels":[{"channel":"open.a","last":1e20}]}}`,
		} {
			got.add(l.say(wstest.Text(m)).reply(1))
		}
		return got.String() + "; the largest: " + l.say(wstest.Text(joinOf("open.a", `,"last":9007199254740991`))).reply("j")
	}, "5 x malformed; the largest: ok"},
	// Unpaired surrogates, and escapes that hide control characters.
	{"escapes that hide something", func(a *attacker) string {
		l := a.in("ann")
		got := make(tally)
		for _, name := range []string{`"\ud800"`, `"a\u0000"`, `"a\u000ab"`, `"\u007f"`, `""`, `"` + strings.Repeat("n", 256) + `"`} {
			got.add(l.say(wstest.Text(`{"id":1,"join":{"channels":[{"channel":` + name + `}]}}`)).reply(1))
		}
		return got.String()
	}, "5 x channel_name, malformed"},
	// A thousand channels in one request, again and again, and more channels than a user may have.
	{"a storm of joins", func(a *attacker) string {
		got := make(tally)
		for i := range 4 {
			l := a.in("ann")
			for {
				said := l.say(wstest.Text(joinsOf(fmt.Sprint("open.", i, "."), 1000))).reply(1)
				if said != "rate_limited" { // ten channels count as one request
					got.add(said)
					break
				}
				<-time.After(time.Second) // the error asks for this pause
			}
		}
		return got.String()
	}, "3 x 1000 x ok, 1000 x too_many_user_channels"},
	// Joins and leaves at full speed.
	{"a storm of joins and leaves", func(a *attacker) string {
		l := a.in("ann")
		go l.say(strings.Repeat(wstest.Text(joinOf("open.door", `,"presence":true`))+wstest.Text(`{"id":"j","leave":{"channels":["open.door"]}}`), 1500))
		got := make(tally)
		for range 3000 {
			got.add(l.reply("j"))
		}
		return got.kinds()
	}, "ok, rate_limited"},
	// One small frame that requests the same large snapshot a hundred times (amplification,
	// CWE-405).
	{"one channel a hundred times, with presence", func(a *attacker) string {
		info := `"` + strings.Repeat("i", 1000) + `"`
		for i := range 40 {
			l := a.open(i, withToken("/v2", a.tokenOf(fmt.Sprint("member", i))))
			l.say(wstest.Text(joinOf("open.crowd", `,"info":`+info))).reply("j")
		}
		return a.in("ann").say(wstest.Text(`{"id":1,"join":{"channels":[` + strings.TrimSuffix(strings.Repeat(`{"channel":"open.crowd","presence":true},`, 1000), ",") + `]}}`)).reply(1)
	}, "1000 x ok"},
	// Large presence info, which the server would send to all other subscribers (clause 9.2).
	{"info bombs", func(a *attacker) string {
		return a.in("ann").say(wstest.Text(joinOf("open.a", `,"info":"`+strings.Repeat("i", 60_000)+`"`))).reply("j")
	}, "too_large"},
	// Pages of history at full speed.
	{"a flood of history requests", func(a *attacker) string {
		for range 20 {
			a.Must("POST", "/v2/channels/open.past/messages", `"`+strings.Repeat("x", 10_000)+`"`, nil)
		}
		return a.floodOf(`{"id":1,"history":{"channel":"open.past","limit":1}}`, 3000)
	}, "ok, rate_limited"},
	// Messages at full speed (user_publishes).
	{"a flood of messages", func(a *attacker) string {
		return a.floodOf(`{"id":1,"publish":{"channel":"open.flood","message":1}}`, 2000)
	}, "ok, rate_limited"},
	// The same without IDs: the limit counts these messages as well (clause 2.9).
	{"a flood of messages without ids", func(a *attacker) string {
		l := a.in("ann")
		go l.say(strings.Repeat(wstest.Text(`{"publish":{"channel":"open.quiet","message":1}}`), 2000) + wstest.Text(`{"id":1,"ping":{}}`))
		got := l.reply(1)
		return got
	}, "rate_limited"},
	// Idempotency keys, which the server stores (clause 6.3): their memory is limited.
	{"a flood of idempotency keys", func(a *attacker) string {
		key := a.NewKey(object{"name": fmt.Sprint("keys", a.number), "verbs": []string{"publish"}}).Key
		got := make(tally)
		for i := range 60 {
			var items []object
			for j := range 1000 {
				items = append(items, object{"channel": "open.keys", "message": 1, "key": fmt.Sprintf("%0128d", i*1000+j)})
			}
			body, _ := json.Marshal(object{"messages": items})
			said, codes := a.batch(i, key, string(body))
			got.add(said)
			for code := range codes {
				got.add(code)
			}
			if codes["too_many_keys"] > 0 {
				break
			}
		}
		return got.kinds()
	}, "200, too_many_keys"},
	// Invented positions (clause 1.6).
	{"invented positions", func(a *attacker) string {
		l := a.in("ann")
		got := make(tally)
		for _, since := range []string{"", "0", "1-2-3", strings.Repeat("9", 64), strings.Repeat("a", 65), "AAAAAAAAAAAA-18446744073709551615", "../../etc/passwd", "a\x00"} {
			text1, _ := json.Marshal(since)
			got.add(l.say(wstest.Text(joinOf("open.a", `,"since":`+string(text1)))).reply("j"))
			l.say(wstest.Text(`{"leave":{"channels":["open.a"]}}`))
		}
		return got.String()
	}, "8 x bad_position"},
	// A position of another channel, and one beyond the end of the log: the server reveals nothing,
	// and the subscription continues (clause 5.4).
	{"positions of another channel", func(a *attacker) string {
		var one, other struct{ Position string }
		for range 3 {
			a.Must("POST", "/v2/channels/open.one/messages", "1", &one)
		}
		a.Must("POST", "/v2/channels/secret.other/messages", "1", &other)
		l := a.in("ann")
		a.Must("POST", "/v2/channels/open.two/messages", "2", nil)
		return l.say(wstest.Text(joinOf("open.two", `,"since":"`+other.Position+`"`))).reply("j") + ", " +
			l.say(wstest.Text(joinOf("open.three", `,"since":"`+one.Position+`"`))).reply("j")
	}, "ok, gap ahead"},
	// Requests with large replies, from a client that does not read them (clause 2.8).
	{"requests without reading the answers", func(a *attacker) string {
		for range 20 {
			a.Must("POST", "/v2/channels/open.past/messages", `"`+strings.Repeat("x", 10_000)+`"`, nil)
		}
		token := a.tokenOf("ann")
		for i := range 20 {
			go a.narrow(i).say(handshake(withToken("/v2", token)) + strings.Repeat(wstest.Text(`{"id":1,"history":{"channel":"open.past","limit":1000}}`), 2000))
		}
		a.crowd.await(40)
		return "20 ask"
	}, "20 ask"},
	// Names that contain markup or log lines (CWE-79, CWE-117): lists return them as JSON, which
	// browsers do not show as a page.
	{"names with markup and newlines", nastyNames, "ok; 201 for a user, 2 x 400 for a user, 7 x harmless"},
	// A user name that is a pattern, or that breaks out of its place in a pattern (CWE-155).
	{"users whose names are patterns", func(a *attacker) string {
		got := make(tally)
		for _, user := range []string{"*", "**", "a.**", "{user}", "a.b", "?", "[a-z]"} {
			token := a.NewToken(object{"user": user, "rules": []object{{"channels": []string{"inbox.{user}"}, "allow": []string{"join"}}}}).Token
			l := a.open(0, withToken("/v2", token))
			got.add(l.say(wstest.Text(joinOf("inbox.victim", ""))).reply("j"))
			got.add(l.say(wstest.Text(joinOf("inbox.a.victim", ""))).reply("j"))
		}
		return got.String()
	}, "14 x not_permitted"},
	// Requests that the rules deny, in every form.
	{"requests that rules deny", func(a *attacker) string {
		token := a.NewToken(object{"user": "ann", "rules": []object{
			{"channels": []string{"**"}, "allow": []string{"join"}}, {"channels": []string{"open.secret"}, "deny": []string{"join", "history", "presence", "publish"}},
		}}).Token
		l := a.open(0, withToken("/v2", token))
		got := make(tally)
		for _, m := range []string{
			joinOf("open.secret", ""), joinOf("open.a", `,"last":1`), joinOf("open.a", `,"presence":true`), `{"id":"j","history":{"channel":"open.secret"}}`,
			`{"id":"j","presence":{"channel":"open.secret"}}`, `{"id":"j","publish":{"channel":"open.a","message":1}}`,
		} {
			got.add(l.say(wstest.Text(m)).reply("j"))
		}
		return got.String()
	}, "6 x not_permitted"},
	// One user takes all places of a channel with max_subscribers.
	{"taking all places of a channel", func(a *attacker) string {
		got := make(tally)
		for range 8 {
			got.add(a.in("ann").say(wstest.Text(joinOf("small", ""))).reply("j"))
		}
		return got.String()
	}, "5 x ok, 3 x too_many_subscribers"},
}

// in connects a user with a token that allows everything.
func (a *attacker) in(user string) *line {
	a.Helper()
	return a.open(0, withToken("/v2", a.tokenOf(user)))
}

// joinsOf returns a request to join this many channels.
func joinsOf(prefix string, n int) string {
	var list []object
	for i := range n {
		list = append(list, object{"channel": fmt.Sprint(prefix, i)})
	}
	text, _ := json.Marshal(object{"id": 1, "join": object{"channels": list}})
	return string(text)
}

// floodOf sends one request this many times, and returns the kinds of outcomes without their
// numbers.
func (a *attacker) floodOf(request string, n int) string {
	l := a.in("ann")
	go l.say(strings.Repeat(wstest.Text(request), n))
	got := make(tally)
	for range n {
		got.add(l.reply(1))
	}
	return got.kinds()
}

// batch publishes a batch of messages, and returns the error codes of the refused messages.
func (a *attacker) batch(from int, key, body string) (said string, codes tally) {
	l := a.dial(from, a.API).say(ask("POST", "/v2/messages", body, bearer(key)))
	said, response, text := l.whole()
	codes = make(tally)
	if response == nil {
		return said, codes
	}
	var answer struct {
		Results []struct{ Error *struct{ Code string } }
	}
	json.Unmarshal(text, &answer) //nolint:errcheck // a body that is not JSON has no codes
	for _, r := range answer.Results {
		if r.Error != nil {
			codes.add(r.Error.Code)
		}
	}
	return said, codes
}

func nastyNames(a *attacker) string {
	l := a.open(0, withToken("/v2", a.tokenOf(`<img src=x onerror="alert(1)">`)))
	channel := `open.<script>alert('"1"')</script>`
	said := l.say(wstest.Text(joinOf(channel, `,"info":"</script>"`))).reply("j")
	got := make(tally)
	for _, path := range []string{"/v2/channels?prefix=open.", "/v2/sessions", "/v2/tokens", "/debug/recipient-dump", "/debug/token-dump", "/v2/refusals", "/metrics"} {
		_, response, body := a.dial(1, a.API).say(get(path, bearer(a.Admin))).whole()
		kind := response.Header.Get("Content-Type")
		switch {
		case strings.Contains(kind, "html") || response.Header.Get("X-Content-Type-Options") != "nosniff" && path != "/metrics":
			got.add(path + " is " + kind)
		case strings.HasPrefix(kind, "application/json") && !json.Valid(body):
			got.add(path + " is no JSON")
		case strings.Contains(string(body), "<script") && !strings.HasPrefix(kind, "text/plain"):
			got.add(path + " has markup")
		default:
			got.add("harmless")
		}
	}
	for _, user := range []string{"a\nb", "a\x00", "a\u2028b"} {
		_, response, _ := a.dial(1, a.API).say(ask("POST", "/v2/tokens", encodeText(object{"user": user}), bearer(a.Admin))).whole()
		got.add(fmt.Sprint(response.StatusCode, " for a user"))
	}
	return said + "; " + got.String()
}

func encodeText(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
