package api_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// TestRevokedWhileHistoryIsRead revokes a token after the history was read and before the response
// is sent. The response must not contain messages, because they may have been published after the
// revocation.
func TestRevokedWhileHistoryIsRead(t *testing.T) {
	between := &boreastest.Between{Engine: memory.New(memory.Options{})}
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

// TestPublishWhileTheEngineHangs: a request fails in time, and a batch does not wait for each of
// its messages.
func TestPublishWhileTheEngineHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		between := &boreastest.Between{Engine: memory.New(memory.Options{})}
		defer between.Close()
		between.BeforePublish = func(channel string) {
			if channel == "slow" {
				<-released
			}
		}
		defer close(released)
		r := newRig(t, boreas.Options{Engine: between}, api.Options{})
		start := time.Now()
		const late = `"code":"engine_timeout"`
		if got := r.do("POST", "/v2/channels/slow/messages", "1"); !strings.HasPrefix(got, "503") || !strings.Contains(got, late) || !strings.Contains(got, `"retry":"later"`) {
			t.Errorf("got %s", got)
		}
		batch := `{"messages":[{"channel":"quick","message":1},{"channel":"slow","message":2},{"channel":"slow","message":3},{"channel":"quick","message":4}]}`
		if got := r.do("POST", "/v2/messages", batch); !strings.HasPrefix(got, "200") || strings.Count(got, late) != 3 || strings.Count(got, `"position"`) != 1 {
			t.Errorf("got %s", got)
		}
		if got := r.do("POST", "/broadcast/slow/", `{"payload":"1"}`, "Content-Type", "application/json"); !strings.HasPrefix(got, "503") {
			t.Errorf("got %s", got)
		}
		if got := r.do("POST", "/v2/channels/quick/messages", "1"); !strings.HasPrefix(got, "201") {
			t.Errorf("got %s", got)
		}
		if took := time.Since(start); took != 3*boreas.DefaultEngineTimeout {
			t.Errorf("took %v", took)
		}
	})
}
