package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/pulse"
)

func TestCheck(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	check := func(want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if want != "" {
			ended, end := context.WithCancel(ctx)
			end()
			ctx = ended
		}
		err := s.Check(ctx)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	check("")
	for name, p := range map[string]*pulse.Pulse{"api": s.api.accepting, "ws": s.ws.accepting} {
		p.Work() // as if the loop did not come back from a connection
		check("the " + name + " port does not accept connections")
		p.Rest()
		check("")
	}
	s.ws.accepting.Work()
	s.Leave()
	check("")
	s.ws.accepting.Rest()
}
