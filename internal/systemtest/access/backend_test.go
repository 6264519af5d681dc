package access

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBackendIsNotAskedAboutOwnTokens sends credentials that the server made, or that look as if it
// had, to the subscribers' port. The backend would accept all of them. It must not be asked:
// otherwise a deleted token would become valid again, and a key sent to the wrong port would reach
// the backend.
func TestBackendIsNotAskedAboutOwnTokens(t *testing.T) {
	s := newSite(t, nil)
	deleted := s.NewToken(object{"user": "ann"})
	s.Must("DELETE", "/v2/tokens/"+deleted.ID, nil, nil)
	got, want := map[string]string{}, map[string]string{}
	for name, token := range map[string]string{
		"a deleted token": deleted.Token, "a made up token": "bt_" + strings.Repeat("x", 43), "a key": s.Admin, "a made up key": "bk_" + strings.Repeat("x", 43),
	} {
		s.Backend.Accept(token, object{"user": "ann"})
		for transport, p := range map[string]peer{overV2: &v2Peer{s: s, token: token}, overSSE: &ssePeer{s: s, token: token}} {
			got[name+" over "+transport], want[name+" over "+transport] = p.do(join, "news"), "invalid_token"
			p.close()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := s.Backend.Asked.Load(); n > 0 {
		t.Errorf("the server asked the backend about %d of its own credentials", n)
	}
}

// TestBackendTokenAfterRevocation revokes a backend's token by user and by text. The revocation of a
// user ends the tokens issued before it, and each answer of the backend issues the token anew. An
// operator who revokes a user in the backend as well must therefore do so there first. A token
// revoked by its text stays refused, whatever the backend answers.
func TestBackendTokenAfterRevocation(t *testing.T) {
	s := newSite(t, nil)
	const token = "theirs-to-come-back"
	show := func() string {
		p := &v2Peer{s: s, token: token}
		defer p.close()
		return p.come()
	}
	const ttl = 0.4 // in seconds; the server asks again after half of it
	s.Backend.Accept(token, object{"user": "ann", "ttl": ttl})
	if said := show(); said != "ok" {
		t.Error(said)
	}
	s.Must("POST", "/v2/revocations", object{"user": "ann"}, nil)
	s.until("the backend accepts the token again", func() bool { return show() == "ok" })
	s.Must("POST", "/v2/revocations", object{"token": token}, nil)
	asked := s.Backend.Asked.Load
	for before, from := asked(), time.Now(); asked() < before+2 && time.Since(from) < patience; { // until the server has asked at least once more
		if said := show(); said != "token_revoked" {
			t.Fatal(said)
		}
	}
}
