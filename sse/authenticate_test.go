package sse

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// clauses 3.8, 10.4, 10.11: a stream receives a notice that its token expires.
func TestATokenThatExpires(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		s, _ := r.open("?channel=a")
		all := func(*access.Grant) bool { return true }
		if n := r.hub.RevokeSessions(all, time.Hour); n != 1 {
			t.Errorf("%d clients were asked to send another token", n)
		}
		e := s.next()
		if e.Type != "expiring" || e.ID != "" || !regexp.MustCompile(`^{"expires":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ","in_ms":3(600000|5\d{5})}$`).MatchString(e.Data) {
			t.Errorf("got %+v", e)
		}
		p := r.publish("a", "1")
		s.want(message(idOf([]string{"a"}, p), "a", "1", p))
		r.hub.RevokeSessions(all, 0)
		if e := s.next(); e.Type != "goodbye" || !strings.HasPrefix(e.Data, `{"error":{"code":"token_revoked",`) {
			t.Errorf("got %+v", e)
		}
		s.wantEnd()
		r.gone()
	})
}

// clauses 4.11, 10.2, 10.3: requests that the token's rules do not allow are refused, and recorded.
func TestRequestsDeniedByRules(t *testing.T) {
	p, err := access.NewPermissions([]access.Permission{{Pattern: "a", Allow: access.VerbJoin}})
	if err != nil {
		t.Fatal(err)
	}
	check := func(c access.Credentials) (*access.Grant, error) {
		g := boreastest.Grant(c.Token, "ann")
		g.Permissions = p
		if diff := cmp.Diff(map[string][]string{"X-Tenant": {"t1"}}, c.Header); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		return g, nil
	}
	each(t, func(t *testing.T, k kind) {
		refusals := refusal.New()
		r := newRig(t, k, boreas.Options{}, Options{Check: check, Refusals: refusals, Cookie: "session", AuthHeaders: []string{"x-tenant"}})
		s, joined := r.open("?channel=a&channel=b", "Cookie", "session=valid", "X-Tenant", "t1", "X-Other", "o")
		if !strings.Contains(joined.Data, `{"channel":"a","position":`) || !strings.Contains(joined.Data, `{"channel":"b","error":{"code":"not_permitted"`) {
			t.Errorf("joined %s", joined.Data)
		}
		for query, want := range map[string]int{"?channel=b": 403, "?channel=a&last=1": 403, "?channel=a&presence=true": 403} {
			if resp := r.ask("GET", query, "Cookie", "session=valid", "X-Tenant", "t1"); resp.StatusCode != want {
				t.Errorf("%s: got %s", query, resp.Status)
			}
		}
		if resp := r.ask("GET", "?channel=a"); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a token: %s", resp.Status)
		}
		s.body.Close()
		r.gone() // refusals are recorded after the stream has received them
		var got []string
		for _, e := range refusals.Find(refusal.Filter{Address: "127.0.0.1"}, 100) {
			if e.Transport != "sse" {
				t.Errorf("recorded %+v", e)
			}
			got = append(got, fmt.Sprintf("%s %s %s: %s", e.User, e.Verb, e.Channel, e.Code))
		}
		want := map[string]int{" connect : unauthenticated": 1, "ann join a: not_permitted": 2, "ann join b: not_permitted": 2}
		counts := map[string]int{}
		for _, line := range got {
			counts[line]++
		}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
	})
}
