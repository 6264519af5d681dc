package ws

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// flood feeds frames until the connection has ended. It returns how many frames that took and
// the last message to the client, or 0 if the connection is still open after the given number.
func flood(r *rig, most int, frame []byte) (n int, told string) {
	for n = 1; n <= most; n++ {
		r.feed(frame, 0)
		if r.c.reading != readAll || r.c.ended() {
			all := r.out.frames()
			return n, all[len(all)-1]
		}
	}
	return 0, ""
}

// Every kind of frame counts: a client that sends them endlessly is disconnected with a reason.
func TestFloods(t *testing.T) {
	bounds := limit.Bounds{Requests: 100, Bytes: 100_000}
	for name, c := range map[string]struct{ first, frame []byte }{
		"pongs":                  {nil, frame(fin|10, "")},
		"pongs with a payload":   {nil, frame(fin|10, "x")},
		"pings":                  {nil, ping("")},
		"empty continuations":    {frame(1, ""), frame(0, "")},
		"continuations":          {frame(1, ""), frame(0, "x")},
		"binary continuations":   {frame(2, ""), frame(0, "")},
		"empty texts":            {nil, text("")},
		"nonsense":               {nil, text("x")},
		"binary":                 {nil, frame(fin|2, "x")},
		"pings inside a message": {frame(1, "x"), ping("")},
		"texts in two pieces":    {nil, join(frame(1, ""), frame(fin, "x"))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const most = 20_000
				limits := limit.New(limit.Options{Address: bounds})
				r := newRigOf(t, boreas.Options{}, Options{MaxMessage: 1 << 20, Limits: limits})
				r.feed(c.first, 0)
				n, told := flood(r, most, c.frame)
				if n == 0 || !strings.HasPrefix(told, "close 1008 ") || !strings.Contains(told, "(address_") {
					t.Errorf("after %d frames: %q", n, told)
				}
				// The first connection has used up the limit of the address, so the next one is
				// closed sooner.
				if c.first == nil && name != "pings" {
					again, _ := flood(newRigOf(t, boreas.Options{}, Options{Limits: limits}), most, c.frame)
					if again == 0 || again > n {
						t.Errorf("the first connection was closed after %d frames, the next after %d", n, again)
					}
				}
			})
		})
	}
}

// An address without limits may not send frames endlessly either.
func TestFloodsFromAnAddressWithoutLimits(t *testing.T) {
	for name, c := range map[string]struct {
		d            dialect
		first, frame []byte
		want         string
	}{
		"pongs":               {v2Dialect{}, nil, frame(fin|10, ""), "close 4203 rate_limited"},
		"pings":               {v2Dialect{}, nil, ping(""), "close 4203 rate_limited"},
		"empty continuations": {v2Dialect{}, frame(1, ""), frame(0, ""), "close 4203 rate_limited"},
		"classic nonsense":    {classicDialect{}, nil, text("x"), "close 1008 The connection keeps sending"},
		"classic binary":      {classicDialect{}, nil, frame(fin|2, ""), "close 1008 The connection keeps sending"},
		"anonymous joins":     {classicDialect{}, nil, text(joining("a")), "close 1008 The connection keeps sending"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRigSpeaking(t, c.d, boreas.Options{}, Options{})
				r.feed(c.first, 0)
				// A thousand per second are never too many.
				for range 20 {
					if n, told := flood(r, maxFrames, c.frame); n > 0 {
						t.Fatalf("closed: %q", told)
					}
					r.out.forget()
					time.Sleep(time.Second)
				}
				n, told := 0, ""
				for range 2 * maxBurst / 1000 {
					if n, told = flood(r, 1000, c.frame); n > 0 {
						break
					}
					r.out.forget()
				}
				if !strings.HasPrefix(told, c.want) {
					t.Errorf("%d: %q", n, told)
				}
			})
		})
	}
}

// Refused requests also count, because refusing them is work.
func TestAFloodOfRefusedRequests(t *testing.T) {
	for name, frame := range map[string][]byte{
		"pings":       text(`{"ping":{}}`),
		"large pings": text(`{"ping":{}}` + strings.Repeat(" ", 10_000)),
		"binary":      frame(fin|2, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := limit.New(limit.Options{Address: limit.Bounds{Requests: 10, Bytes: 100_000}})
				r := newRigSpeaking(t, v2Dialect{}, boreas.Options{}, Options{Limits: limits})
				n, told := flood(r, 20_000, frame)
				// The clients owe the bytes of ten seconds, including the bytes that they sent.
				if atMost := freeBurst + 300 + 10*100_000/max(refusalCost, len(frame)); n > atMost {
					t.Errorf("after %d requests, want %d at most", n, atMost)
				}
				if n < 2*10+freeBurst || told != "close 4203 rate_limited" {
					t.Errorf("after %d requests: %q", n, told)
				}
				frames := r.out.frames()
				if goodbye := frames[len(frames)-2]; !strings.Contains(goodbye, `"goodbye"`) || !strings.Contains(goodbye, "(address_bytes)") {
					t.Errorf("goodbye %s", goodbye)
				}
			})
		})
	}
}

// A well-behaved client is never closed because of other clients behind its address.
func TestAWellBehavedClientAmongFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := limit.New(limit.Options{Address: limit.Bounds{Requests: 10, Bytes: 10_000}})
		o := Options{Limits: limits}
		good := newRigOf(t, boreas.Options{}, o)
		for range 300 { // seconds
			bad := newRigOf(t, boreas.Options{}, o)
			flood(bad, 10_000, frame(fin|10, "x"))
			bad.end() // or the timers of all hubs so far run in each second
			before := len(good.out.frames())
			good.feed(join(ping("alive?"), frame(fin|10, "")), 0)
			if got := good.out.frames()[before:]; len(got) != 1 || got[0] != "pong alive?" {
				t.Fatalf("one ping per second: %q", got)
			}
			time.Sleep(time.Second)
		}
	})
}
