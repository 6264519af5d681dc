package ws

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
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
