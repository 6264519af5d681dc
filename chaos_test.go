package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// Many sessions make random calls at the same time, and Shutdown comes in the middle.
func TestChaos(t *testing.T) {
	for round := range 30 {
		rule := boreas.Rule{ClientPublish: true, Latest: round%2 == 1, Presence: boreas.PresenceFull, MaxSubscribers: 12}
		hub := boreas.New(boreas.Options{Rules: ruleFor("*", rule), PresenceUsers: 4, PresenceLinger: 5 * time.Millisecond, PingInterval: 64 * time.Millisecond})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(i)))
				for ctx.Err() == nil {
					c := &boreastest.Conn{Form: boreastest.Announcing{}}
					if i%3 == 0 {
						names := []string{"0", "1"}
						c.Form = boreastest.Personal{Channels: &names}
					}
					s, err := c.Open(hub)
					if err != nil {
						return
					}
					u := fmt.Sprint(i % 5)
					s.Authenticate(boreastest.Grant(u, u))
					for k := 0; k < 60 && c.Reason() == nil; k++ {
						ch := fmt.Sprint(r.IntN(3))
						s.Alive()
						switch r.IntN(10) {
						case 0, 1, 2:
							s.Join(context.Background(), []boreas.Join{{Channel: ch, Watch: true, Last: r.IntN(5)}, {Channel: "x", Watch: true}}, func(dst []byte, _ []boreas.Joined) []byte { return append(dst, "joined\n"...) })
						case 3:
							s.Leave(ch)
						case 4, 5:
							s.Publish(ctx, ch, message("1"), boreas.PublishOptions{NoEcho: r.IntN(2) == 0})
						case 6:
							c.Bound(r.IntN(50))
						case 7:
							c.Unbound()
						case 8:
							u := fmt.Sprint(r.IntN(7))
							s.Authenticate(boreastest.Grant(u, u))
						case 9:
							hub.ListSessions("", 5)
							hub.Presence(ch)
							hub.Stats()
							hub.Counts()
							hub.ListChannels(ctx, "", "", 10)
							switch r.IntN(12) {
							case 0:
								hub.Deauthenticate(u)
							case 1:
								hub.EndSession(s.ID(), boreas.ErrTerminated)
							}
						}
					}
					switch r.IntN(3) {
					case 0:
						s.Lost(errors.New("lost"))
					case 1:
						s.End(boreas.ErrLeft)
						s.Lost(errors.New("x"))
					case 2:
						c.Lose(errors.New("broken"))
						s.Lost(errors.New("x"))
					}
				}
			})
		}
		// Shut down when much is under way: later in each round.
		for hub.Stats().SessionsOpened < uint64(24+8*round) {
			runtime.Gosched()
		}
		end, c2 := context.WithTimeout(context.Background(), 200*time.Millisecond)
		hub.Shutdown(end, 20*time.Millisecond)
		c2()
		cancel()
		wg.Wait()
		if n := hub.Sessions(); n != 0 {
			t.Fatalf("%d sessions remain", n)
		}
		if st := hub.Stats(); st.Channels != 0 || st.Blocked != 0 || st.Subscriptions != 0 {
			t.Fatalf("round %d: %+v", round, st)
		}
	}
}
