package boreas_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// Every line of every session is checked, whatever is interrupted, skipped or joined again.
func TestEveryLineUnderStress(t *testing.T) {
	for round := range 60 {
		inBubble(t, func(t *testing.T) { stress(t, round) })
	}
}

func stress(t *testing.T, round int) {
	r := rand.New(rand.NewPCG(uint64(round), 7))
	messages := []int{0, 50, 5}[round%3]
	e := newMemory(memory.Options{Messages: messages})
	defer e.Close()
	rule := boreas.Rule{ClientPublish: true, Latest: round%4 == 1, Presence: boreas.PresenceFull}
	hub := boreas.New(boreas.Options{Engine: e, Sweepers: 2, Rules: ruleFor("*", rule), PresenceUsers: 4})
	defer hub.Shutdown(context.Background(), 0)
	names := []string{"a", "b", "c"}
	type member struct {
		s   *boreas.Session
		c   *boreastest.Conn
		own map[string]map[uint64]int // offset of an unwanted own publication to the number of the session's joins by then
	}
	var all []*member
	for i := range 8 {
		c := &boreastest.Conn{Form: boreastest.Announcing{}}
		s, err := c.Open(hub)
		if err != nil {
			t.Fatal(err)
		}
		u := fmt.Sprint("u", i%6)
		s.Authenticate(boreastest.Grant(u, u))
		all = append(all, &member{s: s, c: c, own: map[string]map[uint64]int{"a": {}, "b": {}, "c": {}}})
	}
	seeds := make([]uint64, len(all))
	for i := range seeds {
		seeds[i] = r.Uint64()
	}
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seeds[i], 1))
			at := map[string]engine.Position{}
			era, joined := map[string]int{}, map[string]bool{}
			for range 150 {
				ch := names[r.IntN(3)]
				switch r.IntN(9) {
				case 0:
					j := boreas.Join{Channel: ch, Watch: r.IntN(2) == 0}
					switch r.IntN(3) {
					case 0:
						j.Last = r.IntN(20)
					case 1:
						j.Since = at[ch]
					}
					res := m.s.Join(context.Background(), []boreas.Join{j}, func(dst []byte, rs []boreas.Joined) []byte {
						if rs[0].Err != nil {
							return dst
						}
						return fmt.Appendf(dst, "%s joined %d %v\n", ch, rs[0].Position.Offset, rs[0].Recovered)
					})
					if res[0].Err == nil {
						at[ch] = res[0].Position
						if !joined[ch] {
							era[ch]++
						}
						joined[ch] = true
					}
				case 1:
					m.s.Leave(ch)
					joined[ch] = false
					m.s.Send(fmt.Appendf(nil, "%s left\n", ch))
				case 2, 3, 4:
					size := 1
					if r.IntN(4) == 0 {
						size = r.IntN(40 << 10)
					}
					noEcho := r.IntN(2) != 0
					ack, err := m.s.Publish(context.Background(), ch, message(strings.Repeat("x", size)), boreas.PublishOptions{NoEcho: noEcho})
					if err == nil && noEcho && joined[ch] {
						m.own[ch][ack.Position.Offset] = era[ch]
					}
				case 5:
					m.c.Bound(r.IntN(100))
				case 6:
					m.c.Bound(r.IntN(200_000))
				case 7:
					m.c.Unbound()
				case 8:
					<-time.After(time.Duration(r.IntN(1500)) * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for _, m := range all {
		m.c.Unbound()
	}
	synctest.Wait()
	<-time.After(5 * time.Second)
	synctest.Wait()
	heads := map[string]uint64{}
	for _, ch := range names {
		h, _ := hub.History(context.Background(), ch, engine.Position{}, engine.Limit{})
		heads[ch] = h.Head.Offset
	}
	for i, m := range all {
		pos := map[string]uint64{}
		in := map[string]bool{}
		era := map[string]int{}
		bad := func(format string, args ...any) {
			t.Errorf("round %d session %d (%v): %s", round, i, m.c.Reason(), fmt.Sprintf(format, args...))
		}
		own := func(ch string, to uint64) bool { // whether all publications from pos+1 to to-1 are its own
			for o := pos[ch] + 1; o < to; o++ {
				if m.own[ch][o] != era[ch] {
					return false
				}
			}
			return true
		}
		for _, line := range m.c.Lines() {
			var ch string
			var a, b uint64
			var rec bool
			var reason string
			switch {
			case strings.Contains(line[:min(len(line), 12)], " presence "):
				if !in[line[:1]] {
					bad("presence of a channel that is not joined: %.60s", line)
				}
			case strings.Contains(line[:min(len(line), 10)], " joined "):
				fmt.Sscanf(line, "%s joined %d %t", &ch, &a, &rec)
				if !in[ch] {
					in[ch], pos[ch] = true, a
					era[ch]++
				} else if pos[ch] > a || !own(ch, a+1) {
					bad("joined again at %d, was at %d", a, pos[ch])
				}
			case strings.HasSuffix(line, " left"):
				in[line[:1]] = false
			case strings.Contains(line[:min(len(line), 8)], " gap "):
				fmt.Sscanf(line, "%s gap %s %d-%d", &ch, &reason, &a, &b)
				if !in[ch] || b <= a || a < pos[ch] || !own(ch, a+1) {
					bad("%s at %d joined %v", line, pos[ch], in[ch])
				}
				pos[ch] = b
			case strings.HasPrefix(line, "end:"):
			default:
				if _, err := fmt.Sscanf(line, "%s %d", &ch, &a); err != nil {
					bad("%.60q", line)
				}
				if !in[ch] || a <= pos[ch] || !own(ch, a) || m.own[ch][a] == era[ch] {
					bad("message %s %d at %d joined %v own %v", ch, a, pos[ch], in[ch], m.own[ch][a] == era[ch])
				}
				pos[ch] = a
			}
		}
		if m.c.Reason() != nil {
			continue
		}
		for _, ch := range names {
			if in[ch] && (pos[ch] < heads[ch] && !own(ch, heads[ch]+1)) {
				bad("%s: at %d of %d in the end", ch, pos[ch], heads[ch])
			}
		}
	}
}
