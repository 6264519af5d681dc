package api_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// measure measures a request, without HTTP.
func (r *rig) measure(b *testing.B, path string) {
	b.Run(path, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := httptest.NewRecorder()
			r.api.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 200 {
				b.Fatal(w.Body)
			}
		}
	})
}

// BenchmarkTopChannels lists the first of 100,000 channels, each with a message and a subscriber.
func BenchmarkTopChannels(b *testing.B) {
	const channels = 100_000
	r := newRig(b, boreas.Options{MaxChannels: channels}, api.Options{})
	s, _, err := boreastest.Open(r.hub)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Authenticate(boreastest.Grant("u", "u")); err != nil {
		b.Fatal(err)
	}
	joins := make([]boreas.Join, channels)
	for i := range joins {
		joins[i].Channel = fmt.Sprint("channel.", i)
	}
	s.Join(b.Context(), joins, nil)
	for i := range joins {
		if _, err := r.hub.Publish(b.Context(), joins[i].Channel, engine.Message{Data: []byte("1")}); err != nil {
			b.Fatal(err)
		}
	}
	for _, path := range []string{"/v2/channels?order=subscribers&limit=50", "/v2/channels?order=messages&limit=50", "/v2/channels?limit=50"} {
		r.measure(b, path)
	}
}

// BenchmarkTopSessions lists the first of 15,000 sessions. Each is on 20 of 1,000 channels. If they are
// blocked, each is behind on all of its channels, and the hub keeps trying to write to them: a CPU profile shows
// what of the time belongs to the requests.
func BenchmarkTopSessions(b *testing.B) {
	const sessions, channels, joined, messages = 15_000, 1_000, 20, 10
	for _, blocked := range []bool{false, true} {
		b.Run(fmt.Sprint("blocked=", blocked), func(b *testing.B) {
			r := newRig(b, boreas.Options{}, api.Options{})
			for i := range sessions {
				s, c, err := boreastest.Open(r.hub)
				if err != nil {
					b.Fatal(err)
				}
				if blocked {
					c.Bound(0)
				}
				if err := s.Authenticate(boreastest.Grant(fmt.Sprint("u", i), "u")); err != nil {
					b.Fatal(err)
				}
				joins := make([]boreas.Join, joined)
				for j := range joins {
					joins[j].Channel = fmt.Sprint("channel.", (i+j*37)%channels)
				}
				s.Join(b.Context(), joins, nil)
			}
			for i := range messages * channels {
				if _, err := r.hub.Publish(b.Context(), fmt.Sprint("channel.", i%channels), engine.Message{Data: []byte("1")}); err != nil {
					b.Fatal(err)
				}
			}
			for !blocked && r.hub.TopSessions(boreas.MostBehind, 1, nil)[0].Behind > 0 {
				time.Sleep(time.Millisecond) // until each session has all
			}
			for _, path := range []string{"/v2/sessions?order=behind&limit=50", "/v2/sessions?order=behind&limit=1000", "/v2/sessions?order=since&limit=50"} {
				r.measure(b, path)
			}
		})
	}
}
