package access

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGrace revokes a user with a grace. A session that sends another token in that time stays; any
// other session is closed when the grace ends.
func TestGrace(t *testing.T) {
	s := newSite(t, nil)
	token := s.NewToken(object{"user": "ann"}).Token
	stays := &v2Peer{s: s, token: token}
	others := map[string]peer{
		overV2: &v2Peer{s: s, token: token}, overSSE: &ssePeer{s: s, token: token}, overClassic: &classicPeer{s: s, token: token},
	}
	channels := map[string]string{overV2: "v2", overSSE: "sse", overClassic: "classic"}
	for transport, p := range others {
		if said := p.do(join, channels[transport]); said != "ok" {
			t.Fatalf("%s: %s", transport, said)
		}
		defer p.close()
	}
	if said := stays.do(join, "news"); said != "ok" {
		t.Fatal(said)
	}
	defer stays.close()
	s.Must("POST", "/v2/revocations", object{"user": "ann", "grace": 2}, nil)
	late := &v2Peer{s: s, token: token}
	if said := late.come(); said != "token_revoked" {
		t.Errorf("a client that connects during the grace: %s", said)
	}
	late.close()
	for told := false; !told; { // this message asks the client to refresh
		f, err := stays.c.NextMessage()
		if err != nil {
			t.Fatal(err)
		}
		told = f.Expiring != nil
	}
	if said := stays.show(s.NewToken(object{"user": "ann"}).Token); said != "ok" {
		t.Errorf("another token: %s", said)
	}
	got := map[string]string{}
	for transport, p := range others {
		got[transport] = p.fate(true)
	}
	want := map[string]string{overV2: "4300 token_revoked", overSSE: "goodbye token_revoked", overClassic: "anonymous"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the grace (-want +got):\n%s", diff)
	}
	if fate := stays.fate(false); fate != "lives" {
		t.Errorf("the client that sent another token: %s", fate)
	}
}

// TestExpiryAdded gives an expiry to a token without one. Its sessions are closed when it expires.
func TestExpiryAdded(t *testing.T) {
	s := newSite(t, nil)
	m := s.NewToken(object{"user": "ann"})
	got, peers := map[string]string{}, map[string]peer{overV2: &v2Peer{s: s, token: m.Token}, overSSE: &ssePeer{s: s, token: m.Token}}
	for transport, p := range peers {
		if said := p.do(join, "news"); said != "ok" {
			t.Fatalf("%s: %s", transport, said)
		}
		defer p.close()
	}
	s.Must("PATCH", "/v2/tokens/"+m.ID, object{"ttl": 1}, nil)
	for transport, p := range peers {
		got[transport] = p.fate(true)
	}
	want := map[string]string{overV2: "4302 token_expired", overSSE: "goodbye token_expired"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
