package natsconn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// read returns the messages that a direct read visits, and its result.
func read(t *testing.T, nc *nats.Conn, r natsconn.DirectRead) (lines []string) {
	t.Helper()
	end, err := r.Do(t.Context(), nc, func(m *nats.Msg, seq uint64) bool {
		lines = append(lines, fmt.Sprint(seq, " ", string(m.Data)))
		return string(m.Data) != "stop"
	})
	return append(lines, fmt.Sprint("end ", end, ", ", err))
}

func TestDirectRead(t *testing.T) {
	nc := connect(t, natstest.Start(t).ClientURL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowDirect: true}); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"s.a", "s.b", "s.a", "s.a"} {
		if _, err := js.Publish(t.Context(), subject, []byte(subject)); err != nil {
			t.Fatal(err)
		}
	}
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		read natsconn.DirectRead
		want []string
	}{
		"all":         {natsconn.DirectRead{Seq: 1, Subject: "s.*", Messages: 9}, []string{"1 s.a", "2 s.b", "3 s.a", "4 s.a", "end true, <nil>"}},
		"a part":      {natsconn.DirectRead{Seq: 2, Subject: "s.a", Messages: 1}, []string{"3 s.a", "end false, <nil>"}},
		"by bytes":    {natsconn.DirectRead{Seq: 1, Subject: "s.*", Messages: 9, Bytes: 1}, []string{"1 s.a", "end false, <nil>"}},
		"nothing":     {natsconn.DirectRead{Seq: 3, Subject: "s.b", Messages: 9}, []string{"end true, <nil>"}},
		"too late":    {natsconn.DirectRead{Start: &later, Subject: "s.*", Messages: 9}, []string{"end true, <nil>"}},
		"no stream":   {natsconn.DirectRead{Stream: "T", Seq: 1, Subject: "s.*", Messages: 9}, []string{"end false, read the stream T: nats: no responders available for request"}},
		"not allowed": {natsconn.DirectRead{Seq: 1, Subject: "s.*", Messages: 9, Start: &later}, []string{"end false, read the stream S: the NATS server answers 408 Bad Request"}},
	} {
		if c.read.Stream == "" {
			c.read.Stream = "S"
		}
		if diff := cmp.Diff(c.want, read(t, nc, c.read)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDirectReadWithLosses reads from a server that loses some of its replies, as a connection does that
// breaks and is made again.
func TestDirectReadWithLosses(t *testing.T) {
	nc := connect(t, natstest.Start(t).ClientURL())
	for name, c := range map[string]struct{ replies, want []string }{
		"nothing":   {[]string{"0 4 a", "4 7 b", "7 9 stop"}, []string{"4 a", "7 b", "9 stop", "end false, <nil>"}},
		"the first": {[]string{"4 7 b", "7 9 stop"}, []string{"end false, read the stream nothing: messages between 0 and 4 were lost on the way"}},
		"between":   {[]string{"0 4 a", "7 9 stop"}, []string{"4 a", "end false, read the stream nothing: messages between 4 and 7 were lost on the way"}},
		"the last":  {[]string{"0 4 a", "7 204"}, []string{"4 a", "end false, read the stream nothing: messages between 4 and 7 were lost on the way"}},
	} {
		served, err := nc.Subscribe("$JS.API.DIRECT.GET.nothing", func(q *nats.Msg) {
			for _, line := range c.replies {
				word := strings.Fields(line)
				m := nats.NewMsg(q.Reply)
				m.Header.Set("Nats-Last-Sequence", word[0])
				if word[1] == "204" {
					m.Header.Set("Status", "204")
				} else {
					m.Header.Set("Nats-Sequence", word[1])
					m.Data = []byte(word[2])
				}
				nc.PublishMsg(m) //nolint:errcheck // the reader notices it
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, read(t, nc, natsconn.DirectRead{Stream: "nothing", Seq: 1, Subject: "s.*", Messages: 9})); diff != "" {
			t.Errorf("%s is lost (-want +got):\n%s", name, diff)
		}
		served.Unsubscribe() //nolint:errcheck // the connection ends soon
	}
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
