package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// offers returns an offer for each combination of parameters (RFC 7692, section 7.1): 2 x 2 x 9 x 10.
func offers() []string {
	list := []string{"permessage-deflate"}
	add := func(parameters ...string) {
		var longer []string
		for _, offer := range list {
			for _, p := range parameters {
				longer = append(longer, offer+p)
			}
		}
		list = longer
	}
	add("", "; server_no_context_takeover")
	add("", "; client_no_context_takeover")
	server, client := []string{""}, []string{"", "; client_max_window_bits"}
	for bits := 8; bits <= 15; bits++ {
		server = append(server, fmt.Sprintf("; server_max_window_bits=%d", bits))
		client = append(client, fmt.Sprintf("; client_max_window_bits=%d", bits))
	}
	add(server...)
	add(client...)
	return list
}

func offering(offer string) wstest.Options {
	return wstest.Options{Header: http.Header{"Sec-Websocket-Extensions": {offer}}}
}

// dialOffering opens a session with an offer.
func dialOffering(t *testing.T, addr, offer string) *wstest.Conn {
	t.Helper()
	c := wstest.Dial(t, "ws://"+addr+"/v2", offering(offer))
	c.Send(`{"auth":{"token":"valid"}}`)
	c.Read() // hello
	return c
}

// story is a JSON text of about size bytes, like others but not the same.
func story(n, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d orders of part %d, ", (n*7919+i*104729)%1000, i)
	}
	return fmt.Sprintf(`{"number":%d,"text":"%s"}`, n, b.String())
}

// Clause 1.8: each client that offers any combination of parameters gets all messages, and its own compressed messages are read.
// Some messages are larger than its window, and some are not compressed.
func TestEveryOffer(t *testing.T) {
	hub, addr := v2Server(t, overSocket, boreas.Options{}, Options{})
	list := offers()
	if len(list) != 360 {
		t.Fatalf("%d offers", len(list))
	}
	sizes := []int{10, 300, 310, 30, 320, 1500, 1500, 5000, 9000, 40_000, 300}
	var want []string
	clients := make([]*wstest.Conn, len(list))
	for i, offer := range list {
		c := dialOffering(t, addr, offer)
		clients[i] = c
		if c.Deflate == nil {
			t.Fatalf("%s was declined", offer)
		}
		for n := range 4 {
			id := fmt.Sprintf("%d of %.50s", n, offer)
			c.SendCompressed(fmt.Sprintf(`{"id":"%s","ping":{},"more":"%s"}`, id, strings.Repeat(offer, n*n)))
			c.Want(fmt.Sprintf(`{"id":"%s","ping":{}}`, id))
		}
		c.SendCompressed(`{"id":1,"join":{"channels":[{"channel":"chat.a"}]}}`)
		c.ReadUntil(`"id":1,"join":`)
	}
	for n, size := range sizes {
		text := story(n, size)
		p, err := hub.Publish(context.Background(), "chat.a", engine.Message{Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf(`{"channel":"chat.a","message":%s,"position":"%s"}`, text, p.Position.Append(nil)))
	}
	for i, c := range clients {
		var got []string
		for range want {
			got = append(got, c.Read())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", list[i], diff)
		}
		d := c.Deflate
		if d.Messages == 0 && d.ServerBits > 9 || d.ServerContext && d.ServerBits > 10 && d.Bytes*4 > d.Inflated {
			t.Errorf("%s: %d messages with %d bytes were compressed to %d bytes", list[i], d.Messages, d.Inflated, d.Bytes)
		}
	}
}

// TestCompressionOptions checks the options, what happens without an accepted offer, and the counters.
func TestCompressionOptions(t *testing.T) {
	const offer = "permessage-deflate; client_max_window_bits"
	text := story(1, 200)
	for name, c := range map[string]struct {
		options    Options
		offer      string
		accepted   bool
		compressed int
	}{
		"by default":               {Options{}, offer, true, 2},
		"off":                      {Options{NoCompression: true}, offer, false, 0},
		"not offered":              {Options{}, "", false, 0},
		"offered with a wrong one": {Options{}, offer + "; x-new=1", false, 0},
		"for larger messages":      {Options{CompressionMin: 5000}, offer, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := new(Counters)
			c.options.Counters = n
			hub, addr := v2Server(t, overSocket, boreas.Options{}, c.options)
			conn := dialOffering(t, addr, c.offer)
			if got := conn.Deflate != nil; got != c.accepted {
				t.Fatalf("accepted: %v, want %v", got, c.accepted)
			}
			conn.Send(`{"id":1,"join":{"channels":[{"channel":"chat.a"}]}}`)
			conn.ReadUntil(`"id":1,"join":`)
			for range 2 {
				hub.Publish(context.Background(), "chat.a", engine.Message{Data: []byte(text)})
				conn.ReadUntil(text)
			}
			want := [4]uint64{}
			if d := conn.Deflate; d != nil {
				if d.Messages != c.compressed {
					t.Errorf("%d messages were compressed, want %d", d.Messages, c.compressed)
				}
				request := `{"id":2,"ping":{}}`
				payload := d.Compress(request)
				io.WriteString(conn, wstest.Frame(fin|wstest.RSV1|wstest.OpText, payload))
				conn.Want(request)
				want = [4]uint64{uint64(d.Inflated), uint64(d.Bytes), uint64(len(payload)), uint64(len(request))}
			} else {
				io.WriteString(conn, wstest.Frame(fin|wstest.RSV1|wstest.OpText, "x"))
				if err := conn.End(); wstest.Code(err) != 1002 {
					t.Errorf("a compressed message without an agreement: %v, want 1002", err)
				}
			}
			got := [4]uint64{n.CompressedFrom.Load(), n.CompressedTo.Load(), n.InflatedFrom.Load(), n.InflatedTo.Load()}
			if got != want {
				t.Errorf("counted %v, want %v", got, want)
			}
		})
	}
}

// talker is a client that others see and that reads all the time.
type talker struct {
	*wstest.Conn
	replies chan string
	got     []string // messages of channels; read it after Wait
	joined  map[string]bool
	want    []string
	wg      sync.WaitGroup
}

func newTalker(t *testing.T, addr, offer string) *talker {
	a := &talker{Conn: dialOffering(t, addr, offer), replies: make(chan string, 1), joined: map[string]bool{}}
	a.wg.Go(func() {
		for {
			text, err := a.Next()
			switch {
			case err != nil:
				if wstest.Code(err) != 1000 {
					t.Errorf("%s: %v", offer, err)
				}
				return
			case strings.HasPrefix(text, `{"id":`):
				a.replies <- text
			default:
				text, _, _ = strings.Cut(text, `,"position":`)
				a.got = append(a.got, text)
			}
		}
	})
	return a
}

// request sends a request, compressed if that was agreed on, and returns the reply.
func (a *talker) request(format string, args ...any) string {
	if text := fmt.Sprintf(format, args...); a.Deflate != nil {
		a.SendCompressed(text)
	} else {
		a.Send(text)
	}
	return <-a.replies
}

// Clients with all kinds of agreements talk on two channels. Each receives exactly the messages of the others, although
// the publications that it received before differ: it does not get its own back, and joins in the middle.
func TestCompressedConversation(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{})
	var talkers []*talker
	for _, offer := range []string{
		"", "permessage-deflate", "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_max_window_bits=9",
		"permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=11; client_max_window_bits=8", "permessage-deflate",
	} {
		talkers = append(talkers, newTalker(t, addr, offer))
	}
	const rounds = 200
	for n := range rounds {
		by := talkers[n%len(talkers)]
		channel := []string{"chat.a", "chat.a", "chat.b"}[n%3]
		if n%5 > 0 || n < 2*len(talkers) {
			joiner := talkers[n*5%len(talkers)]
			if !joiner.joined[channel] {
				joiner.joined[channel] = true
				if got := joiner.request(`{"id":1,"join":{"channels":[{"channel":%q}]}}`, channel); !strings.Contains(got, `"position"`) {
					t.Fatal(got)
				}
			}
		}
		text := story(n, 20+n*53%900)
		if got := by.request(`{"id":2,"publish":{"channel":%q,"message":%s,"echo":%v}}`, channel, text, n%4 == 0); !strings.Contains(got, `"position"`) {
			t.Fatal(got)
		}
		for _, a := range talkers {
			if a.joined[channel] && (a != by || n%4 == 0) {
				a.want = append(a.want, fmt.Sprintf(`{"channel":"%s","message":%s`, channel, text))
			}
		}
	}
	for i, a := range talkers {
		a.request(`{"id":3,"ping":{}}`)
		io.WriteString(a, wstest.Close(1000, ""))
		a.wg.Wait()
		byChannel := func(all []string) (list []string) { // messages of two channels have no order
			list = slices.Clone(all)
			slices.SortStableFunc(list, func(x, y string) int { return strings.Compare(x[:20], y[:20]) })
			return list
		}
		if diff := cmp.Diff(byChannel(a.want), byChannel(a.got)); diff != "" || len(a.want) < rounds/3 {
			t.Errorf("client %d received other messages than it should (-want +got):\n%s", i, diff)
		}
		if d := a.Deflate; d != nil && (d.Messages < len(a.want)/2 || d.Bytes > d.Inflated*2/3) {
			t.Errorf("client %d: %d of %d messages were compressed, from %d to %d bytes", i, d.Messages, len(a.want), d.Inflated, d.Bytes)
		}
	}
}

// A client that does not read for a while gets the rest of a publication that was cut, the publications that are still
// kept, and a gap. It can decompress all of them.
func TestCompressionForASlowReader(t *testing.T) {
	for _, offer := range []string{"permessage-deflate", "permessage-deflate; server_max_window_bits=13"} {
		t.Run(offer, func(t *testing.T) {
			e := memory.New(memory.Options{Limits: func(string) engine.Retention { return engine.Retention{Messages: 1000} }})
			t.Cleanup(func() { e.Close() })
			hub, addr := v2Server(t, overSocket, boreas.Options{Engine: e}, Options{})
			c := dialOffering(t, addr, offer)
			c.Send(`{"id":1,"join":{"channels":[{"channel":"chat.a"},{"channel":"chat.b"}]}}`)
			c.ReadUntil(`"id":1,"join":`)
			random := rand.New(rand.NewPCG(1, 2))
			texts := map[string][]string{}
			const messages = 3000
			for n := range messages {
				channel := []string{"chat.a", "chat.b"}[n%10/9]
				text := fmt.Appendf(nil, `"%d `, n)
				for len(text) < 1000+n%7*1000 {
					text = strconv.AppendUint(text, random.Uint64(), 36)
				}
				text = append(text, '"')
				texts[channel] = append(texts[channel], string(text))
				if _, err := hub.Publish(context.Background(), channel, engine.Message{Data: text}); err != nil {
					t.Fatal(err)
				}
			}
			hub.Publish(context.Background(), "chat.a", engine.Message{Data: []byte(`"end"`)})
			texts["chat.a"] = append(texts["chat.a"], `"end"`)
			gaps, got := 0, 0
			next := map[string]int{}
			for end := false; !end; {
				var m struct {
					Channel string
					Message json.RawMessage
					Gap     json.RawMessage
				}
				text := c.Read()
				if err := json.Unmarshal([]byte(text), &m); err != nil {
					t.Fatal(err, text)
				}
				switch {
				case m.Gap != nil:
					gaps++
				case m.Message != nil:
					all := texts[m.Channel]
					i := slices.Index(all[next[m.Channel]:], string(m.Message))
					if i < 0 || i > 0 && gaps == 0 {
						t.Fatalf("%d messages follow, instead of the next one: %.100s", i, text)
					}
					next[m.Channel] += i + 1
					got++
					end = string(m.Message) == `"end"`
				}
			}
			if gaps == 0 || got < 100 || c.Deflate.Messages < got-1 {
				t.Errorf("%d gaps, %d of %d messages, %d compressed", gaps, got, messages, c.Deflate.Messages)
			}
		})
	}
}
