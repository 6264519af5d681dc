package access

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOursAreNotAskedAbout shows to subscribers' ports what the server itself has made, and
// what looks so, with a backend that would take anything. A token that was deleted must not
// come back that way, and a key that was shown at the wrong place must not be passed on.
func TestOursAreNotAskedAbout(t *testing.T) {
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
		t.Errorf("the backend was asked about %d of them", n)
	}
}

// TestABackendsTokenComesBack: a user's revocation takes what was issued until then, and a backend
// issues anew each time that it is asked. So who revokes there, too, revokes first there;
// a token that is named is gone whatever the backend says.
func TestABackendsTokenComesBack(t *testing.T) {
	s := newSite(t, nil)
	const token = "theirs-to-come-back"
	show := func() string {
		p := &v2Peer{s: s, token: token}
		defer p.close()
		return p.come()
	}
	const ttl = 0.4 // seconds; it is asked again after half of it
	s.Backend.Accept(token, object{"user": "ann", "ttl": ttl})
	if said := show(); said != "ok" {
		t.Error(said)
	}
	s.Must("POST", "/v2/revocations", object{"user": "ann"}, nil)
	s.until("the backend vouches for it once more", func() bool { return show() == "ok" })
	s.Must("POST", "/v2/revocations", object{"token": token}, nil)
	asked := s.Backend.Asked.Load
	for before, from := asked(), time.Now(); asked() < before+2 && time.Since(from) < patience; { // once more and longer
		if said := show(); said != "token_revoked" {
			t.Fatal(said)
		}
	}
}
