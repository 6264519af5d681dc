package pulse

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		var p Pulse
		check := func(name string, want error) {
			t.Helper()
			if err := p.Await(limit()); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
		}
		check("a loop that has not begun", nil)
		p.Work()
		check("a loop that is stuck", context.DeadlineExceeded)
		time.AfterFunc(100*time.Millisecond, p.Rest)
		check("a loop that rests after some time", nil)
		p.Work()
		time.AfterFunc(100*time.Millisecond, func() { p.Rest(); p.Work() })
		check("a loop that is always busy", nil)
	})
}
