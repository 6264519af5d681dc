package boreas_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// writes is a connection that records each write, and accepts at most room bytes of each.
type writes struct {
	session *boreas.Session
	room    int
	all     []string
}

func (w *writes) TryWrite(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.all = append(w.all, string(p[:n]))
	return n, nil
}

func (w *writes) WaitWritable(time.Duration) error { return nil }
func (w *writes) Finish(error, bool)               { w.session.Done() }

// TestGatheredAnswers: answers between Gather and Flush take one write. Large ones, and the end of
// the session, do not wait for Flush.
func TestGatheredAnswers(t *testing.T) {
	large := strings.Repeat("l", boreas.HeldFree)
	for _, c := range []struct {
		name string
		do   func(s *boreas.Session)
		want []string
	}{
		{"without", func(s *boreas.Session) { s.Send([]byte("a")); s.Send([]byte("b")) }, []string{"a", "b"}},
		{"small", func(s *boreas.Session) {
			s.Gather()
			s.Send([]byte("a"))
			s.Send([]byte("b"))
			s.Flush()
			s.Send([]byte("c"))
		}, []string{"ab", "c"}},
		{"nothing", func(s *boreas.Session) { s.Gather(); s.Flush(); s.Flush() }, nil},
		{"large", func(s *boreas.Session) {
			s.Gather()
			s.Send([]byte("a"))
			s.Send([]byte(large))
			s.Send([]byte("b"))
			s.Flush()
		}, []string{"a", large, "b"}},
		{"alone and large", func(s *boreas.Session) {
			s.Gather()
			s.Send([]byte(large + "+"))
			s.Send([]byte("b"))
			s.Flush()
		}, []string{large + "+", "b"}},
		{"ending", func(s *boreas.Session) { s.Gather(); s.Send([]byte("a\n")); s.End(boreas.ErrLeft) }, []string{"a\n", "end: the peer has left\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, boreas.Options{}, func(w world) {
				s, err := w.hub.Reserve(netip.Addr{})
				if err != nil {
					t.Fatal(err)
				}
				conn := &writes{session: s, room: 1 << 20}
				if err := s.Start(conn, boreastest.Text{}, nil); err != nil {
					t.Fatal(err)
				}
				c.do(s)
				if diff := cmp.Diff(c.want, conn.all); diff != "" {
					t.Errorf("the writes (-want +got):\n%s", diff)
				}
				s.Lost(boreas.ErrLeft)
				s.Done()
			})
		})
	}
}

// TestGatheredAnswersAreAnswered: answers that wait for Flush count as accepted, and those that the
// connection refuses do not.
func TestGatheredAnswersAreAnswered(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.from("192.0.2.1", 1)
		s.Gather()
		s.Send([]byte("an answer\n"))
		got := []bool{s.Answered()}
		s.Flush()
		got = append(got, s.Answered())
		s.Gather()
		s.Send([]byte("another\n"))
		got = append(got, s.Answered())
		c.Bound(1 << 20)
		if want := []bool{true, false, false}; !cmp.Equal(want, got) {
			t.Errorf("answered: %v, want %v", got, want)
		}
	})
}
