package attack

import (
	"fmt"
	"strings"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// byStorms are attacks by many clients, or by one client that repeats the same action.
var byStorms = []attack{
	// More sessions than one user may have (user_connections).
	{"more connections than a user may have", func(a *attacker) string {
		token := a.tokenOf("crowd")
		var got turns
		for i := range 55 {
			l := a.open(i, withToken("/v2", token)) // the user's limit applies only after the handshake
			got.add(l.say(wstest.Text(`{"id":1,"ping":{}}`)).reply(1))
		}
		said := a.dial(60, a.WS).say(get("/v2/events?channel=a", bearer(token))).answer()
		return got.String() + "; events: " + said
	}, "50 x ok, then 5 x closed with 4204 too_many_connections; events: 429 too_many_connections"},
	// Clients that watch presence connect and disconnect: each change is sent to all others (n
	// squared messages).
	{"a storm of presence", func(a *attacker) string {
		var going sync.WaitGroup
		var all []*line
		for i := range 40 {
			l := a.open(i, withToken("/v2", a.tokenOf(fmt.Sprint("w", i))))
			all = append(all, l)
			going.Go(func() {
				l.say(strings.Repeat(wstest.Text(joinOf("open.storm", `,"presence":true`))+wstest.Text(`{"leave":{"channels":["open.storm"]}}`), 20) + wstest.Text(`{"id":"end","ping":{}}`))
			})
		}
		got := make(tally)
		for _, l := range all {
			got.add(l.reply("end"))
		}
		going.Wait()
		return got.String()
	}, "40 x ok"},
	// A client sends the same token again and again (clause 3.4), and the server looks it up each
	// time.
	{"a storm of refreshes", func(a *attacker) string {
		return a.floodOf(`{"id":1,"auth":{"token":"`+a.tokenOf("ann")+`"}}`, 3000)
	}, "ok, rate_limited"},
	// One session changes its user fifty times, and leaves no limiter behind.
	{"one session, many users", func(a *attacker) string {
		l := a.open(0, "/v2")
		got := make(tally)
		for i := range 50 {
			l.say(wstest.Text(`{"id":1,"auth":{"token":"` + a.tokenOf(fmt.Sprint("many", i)) + `"}}`))
			got.add(l.reply(1))
			got.add(l.say(wstest.Text(joinOf(fmt.Sprint("open.many.", i), `,"presence":true`))).reply("j"))
		}
		return got.String()
	}, "100 x ok"},
	// Sessions that connect, join, and end with a RST.
	{"connections that join and vanish", func(a *attacker) string {
		token := a.NewToken(object{}).Token // without a user, so that no user limit applies
		got := make(tally)
		for i := range 300 {
			l, said := a.socket(i, withToken("/v2", token))
			if said == "101" {
				said = l.say(wstest.Text(joinOf("open.vanish", `,"presence":true`))).reply("j")
			}
			got.add(said)
			l.reset()
		}
		return got.String()
	}, "300 x ok"},
	// Thousands of joins of all kinds on the classic wire, which sends no errors.
	{"a storm on the classic wire", func(a *attacker) string {
		token := a.tokenOf("ann")
		l := a.open(0, withToken("/", token))
		go l.say(strings.Repeat(wstest.Text(`{"channels":{"join":["open.a","open.b",1,null,"",{}],"leave":["open.a"]}}`), 3000))
		return l.end()
	}, "closed with 1008"},
	// Sessions without a token, which keep trying requests that need one.
	{"requests without a token", func(a *attacker) string {
		l := a.open(0, "/v2")
		got := make(tally)
		for range 100 {
			got.add(l.say(wstest.Text(joinOf("open.a", ""))).reply("j"))
		}
		return got.String()
	}, "100 x unauthenticated"},
	// Clients of closed sessions, which reconnect at once with the revoked token.
	{"coming back with a revoked token", func(a *attacker) string {
		m := a.NewToken(object{"user": "gone"})
		l := a.open(0, withToken("/v2", m.Token))
		a.Must("POST", "/v2/revocations", object{"user": "gone"}, nil)
		said := l.end()
		var got turns
		for range 30 {
			_, said := a.socket(0, withToken("/v2", m.Token))
			got.add(said)
		}
		return said + "; " + got.String()
	}, "closed with 4300 token_revoked; 30 x 401 token_revoked"},
	// Streams, sockets and publishers of one user connect at once from many addresses: the user's
	// limit applies to all of them together.
	{"one user from a hundred addresses", func(a *attacker) string {
		token := a.tokenOf("spread")
		got := make(tally)
		for i := range 40 {
			l := a.open(i, withToken("/v2", token))
			l.say(strings.Repeat(wstest.Text(`{"id":1,"publish":{"channel":"open.spread","message":1}}`), 20))
			for range 20 {
				got.add(l.reply(1))
			}
		}
		return got.kinds()
	}, "ok, rate_limited"},
}

// byTokens are attacks with tokens that are not JWTs.
var byTokens = []attack{
	// Guesses within a session (address_failures, CWE-307).
	{"guessing tokens on a socket", func(a *attacker) string {
		l := a.open(0, "/v2")
		var got turns
		for i := range 30 {
			got.add(l.say(wstest.Text(fmt.Sprintf(`{"id":1,"auth":{"token":"bt_%043d"}}`, i))).reply(1))
		}
		return got.String() + "; a good one: " + second(a.socket(0, withToken("/v2", a.tokenOf("ann"))))
	}, "20 x invalid_token, then 10 x rate_limited; a good one: 101"},
	// The same on the classic wire, which sends no error; other clients behind the same address may
	// have valid tokens and keys.
	{"guessing tokens on the classic wire", func(a *attacker) string {
		l := a.open(0, "/")
		for i := range 30 {
			l.say(wstest.Text(fmt.Sprintf(`{"access_token":"%0128d-1700000000"}`, i)))
		}
		said := l.lives()
		return said + ", then " + a.dial(0, a.API).say(get("/v2/keys", bearer(a.Admin))).answer()
	}, "lives, then 200"},
	// And over streams of events.
	{"guessing tokens for events", func(a *attacker) string {
		var got turns
		for i := range 30 {
			got.add(a.dial(0, a.WS).say(get(fmt.Sprintf("/v2/events?channel=a&access_token=bt_%043d", i))).answer())
		}
		return got.String() + "; a good one: " + a.dial(0, a.WS).say(get("/v2/events?channel=a&access_token="+a.tokenOf("ann"))).answer()
	}, "20 x 401 invalid_token, then 10 x 429 rate_limited; a good one: 200 stream"},
	// A page's images with bad tokens, which its visitor's browser requests (address_failures,
	// address_accepts): they are refused, and do not count against the visitor.
	{"images with bad tokens", func(a *attacker) string {
		got := make(tally)
		for i := range 300 {
			got.add(a.dial(0, a.WS).say(get(fmt.Sprintf("/v2/events?channel=a&access_token=bad%d", i), "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")).answer())
		}
		return got.kinds() + "; the visitor's own token: " + second(a.socket(0, withToken("/v2", a.tokenOf("ann")))) + ", a bad one: " + a.dial(0, a.WS).say(get("/v2/events?channel=a&access_token=bad")).answer()
	}, "403 origin_not_allowed; the visitor's own token: 101, a bad one: 401 invalid_token"},
	// Variants of a valid token: another letter case, blanks, a NUL, its ID, its hash.
	{"tokens that are almost right", func(a *attacker) string {
		m := a.NewToken(object{"user": "ann"})
		got := make(tally)
		for i, token := range []string{strings.ToUpper(m.Token), m.Token + " ", m.Token + "\x00", m.Token[:len(m.Token)-1], m.Token + m.Token, m.ID, "bt_", a.Admin} {
			l := a.open(i, "/v2")
			l.say(wstest.Text(`{"id":1,"auth":` + encodeText(object{"token": token}) + `}`))
			got.add(l.reply(1))
		}
		return got.String()
	}, "8 x invalid_token"},
	// Tokens of 60 KB: the server hashes them, and does not ask the backend.
	{"giant tokens", func(a *attacker) string {
		asked := a.Backend.Asked.Load()
		l := a.open(0, "/v2")
		got := make(tally)
		for range 10 {
			got.add(l.say(wstest.Text(`{"id":1,"auth":{"token":"` + strings.Repeat("t", 60_000) + `"}}`)).reply(1))
		}
		return fmt.Sprintf("%s, the backend was asked %d times", got, a.Backend.Asked.Load()-asked)
	}, "10 x invalid_token, the backend was asked 0 times"},
	// Tokens that need the backend, which does not answer: clients with other kinds of tokens do
	// not wait.
	{"a flood while the backend hangs", func(a *attacker) string {
		done := a.Backend.Hold()
		var all []*line
		for i := range 300 {
			all = append(all, a.dial(i, a.WS).say(get("/v2/events?channel=a", bearer(fmt.Sprint("theirs", i)))))
		}
		for a.Backend.Waiting.Load() == 0 && a.crowd.noticed() == "" {
			a.crowd.await(1)
		}
		_, meanwhile := a.socket(400, withToken("/v2", a.tokenOf("ann")))
		a.crowd.await(20)
		done()
		got := make(tally)
		for _, l := range all {
			got.add(l.answer())
		}
		return got.kinds() + "; meanwhile a good token: " + meanwhile
	}, "401 invalid_token; meanwhile a good token: 101"},
	// The same within sessions of either wire: some workers must stay free.
	{"sockets that wait for the backend", func(a *attacker) string {
		done := a.Backend.Hold()
		before := a.Backend.Waiting.Load()
		var all []*line
		for i := range 60 {
			all = append(all, a.open(i, "/v2").say(wstest.Text(fmt.Sprintf(`{"id":1,"auth":{"token":"waits%d"}}`, i))))
		}
		for a.Backend.Waiting.Load() < before+20 && a.crowd.noticed() == "" {
			a.crowd.await(1)
		}
		meanwhile := a.open(400, withToken("/v2", a.tokenOf("ann"))).say(wstest.Text(`{"id":1,"ping":{}}`)).reply(1)
		done()
		got := make(tally)
		for _, l := range all {
			got.add(l.reply(1))
		}
		return got.String() + "; meanwhile a ping: " + meanwhile
	}, "60 x invalid_token; meanwhile a ping: ok"},
	// Many clients send one token at once: the server asks the backend once for each address.
	{"the same token from everywhere", func(a *attacker) string {
		asked := a.Backend.Asked.Load()
		done := a.Backend.Hold()
		var all []*line
		for i := range 200 {
			all = append(all, a.dial(i%4, a.WS).say(get("/v2/events?channel=a", bearer("same"))))
		}
		a.crowd.await(10)
		done()
		got := make(tally)
		for _, l := range all {
			got.add(l.answer())
		}
		return fmt.Sprintf("%s, the backend was asked %s", got.kinds(), atMost(a.Backend.Asked.Load()-asked, 5))
	}, "401 invalid_token, 429 rate_limited, the backend was asked at most 5 times"},
	// Clients that disconnect while the server asks the backend about them.
	{"gone before the backend answers", func(a *attacker) string {
		done := a.Backend.Hold()
		for i := range 100 {
			l := a.dial(i, a.WS).say(get("/v2/events?channel=a", bearer(fmt.Sprint("leaves", i))))
			a.open(100+i, "/v2").say(wstest.Text(fmt.Sprintf(`{"auth":{"token":"leaves%d"}}`, i))).reset()
			l.reset()
		}
		done()
		return "200 are gone"
	}, "200 are gone"},
	// Tokens in cookies have the same rights as other tokens, and a bad cookie gets no error
	// (clause 3.10).
	{"cookies by the dozen", func(a *attacker) string {
		token := a.tokenOf("ann")
		_, one := a.socket(0, "/v2", "Origin: "+goodOrigin, "Cookie: "+strings.Repeat("a=b; ", 2000)+"session="+token)
		l, other := a.socket(0, "/v2", "Origin: "+goodOrigin, "Cookie: session=bt_guess; session="+token)
		return one + "; " + other + ", " + l.say(wstest.Text(joinOf("open.a", ""))).reply("j")
	}, "101; 101, unauthenticated"},
}

// atMost replaces a number up to its limit by the limit.
func atMost(n, most int64) string {
	if n <= most {
		return fmt.Sprint("at most ", most, " times")
	}
	return fmt.Sprint(n, " times")
}
