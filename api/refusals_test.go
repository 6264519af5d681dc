package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

func TestRefusals(t *testing.T) {
	log := refusal.New()
	r := newRig(t, boreas.Options{}, api.Options{Refusals: log})
	rules, err := auth.ParseRules([]byte(`[{"channels":["news"],"allow":["join"]}]`))
	if err != nil {
		t.Fatal(err)
	}
	text, token := r.makeToken(auth.Token{User: "ann", Rules: rules})
	for range 3 {
		r.do("GET", "/v2/channels/news/messages", "", "Authorization", "Bearer "+text)
	}
	r.do("POST", "/v2/messages", `{"messages":[{"channel":"a","message":1},{"channel":"a","message":2},{"channel":"b","message":3}]}`, "Authorization", "Bearer "+text)
	r.do("POST", "/v2/tokens", "{}", "Origin", "http://elsewhere.example")
	log.Add(refusal.Entry{Code: "rate_limited", Message: "Too fast.", Transport: "websocket", Address: "2001:db8::1", Session: "s_1", Verb: "join"})

	socket := `{"time":"T","count":1,"code":"rate_limited","message":"Too fast.","do":"` + fault.RateLimited.Do + `","transport":"websocket","address":"2001:db8::1","session":"s_1","verb":"join"}`
	origin := `{"time":"T","count":1,"code":"origin_not_allowed","message":"Web pages of other origins may not use this API.","do":"` + fault.OriginNotAllowed.Do + `","transport":"http","address":"192.0.2.1","verb":"POST /v2/tokens"}`
	of := func(count, verb, channel, message string) string {
		return `{"time":"T","count":` + count + `,"code":"not_permitted","message":"` + message + `","do":"` + fault.NotPermitted.Do + `","transport":"http","address":"192.0.2.1","token":"` + token.ID + `","user":"ann","verb":"` + verb + `","channel":"` + channel + `"}`
	}
	b := of("1", "POST /v2/messages", "b", `The token's rules do not allow publish on \"b\": no rule allows publish on this channel.`)
	a := of("2", "POST /v2/messages", "a", `The token's rules do not allow publish on \"a\": no rule allows publish on this channel.`)
	news := of("3", "GET /v2/channels/{channel}/messages", "news", `The token's rules do not allow history on \"news\": no rule allows history on this channel.`)
	list := func(rows ...string) string { return told(200, `{"refusals":[`+strings.Join(rows, ",")+`],"total":8}`) }
	for _, s := range []struct{ query, want string }{
		{"", list(socket, origin, b, a, news)},
		{"?limit=2", list(socket, origin)},
		{"?user=ann", list(b, a, news)},
		{"?token=" + token.ID, list(b, a, news)},
		{"?session=s_1", list(socket)},
		{"?address=192.0.2.1&limit=1", list(origin)},
		{"?address=192.0.2.1&session=s_1", list()},
		{"?limit=0", bad(`The parameter limit is \"0\": it must be a number from 1 to 1000.`)},
	} {
		if diff := cmp.Diff(s.want, scrubTimes(r.do("GET", "/v2/refusals"+s.query, ""))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", s.query, diff)
		}
	}
}
