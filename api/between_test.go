package api_test

import (
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/api"
	"github.com/boreas-pubsub/boreas/auth"
	"github.com/boreas-pubsub/boreas/boreastest"
)

// TestRevokedWhileHistoryIsRead takes a token back when the history has been read and not
// yet been answered with: what may have come after that must not be told.
func TestRevokedWhileHistoryIsRead(t *testing.T) {
	between := &boreastest.Between{Engine: boreas.NewMemory(boreas.MemoryOptions{})}
	defer between.Close()
	r := newRig(t, boreas.Options{Engine: between}, api.Options{})
	token, _, err := r.authority.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		return r.do("GET", "/v2/channels/a/messages", "", "Authorization", "Bearer "+token)
	}
	if got := ask(); !strings.HasPrefix(got, "200") {
		t.Fatal(got)
	}
	between.AfterRead = func(string) {
		if _, err := r.authority.Revoke(auth.Revocation{User: "ann"}); err != nil {
			t.Error(err)
		}
	}
	if got := ask(); !strings.HasPrefix(got, "401") || !strings.Contains(got, `"code":"token_revoked"`) {
		t.Errorf("got %s", got)
	}
}
