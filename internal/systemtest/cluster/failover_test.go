package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	goclient "github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
)

// TestGoClientLosesItsNode: a program with the Go client loses its node, without a goodbye and in order,
// and goes on at another one behind the same address. It misses nothing.
func TestGoClientLosesItsNode(t *testing.T) {
	all := startNodes(t, 3)
	balancer, err := faultproxy.New(all[0].WS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(balancer.Close)
	ctx, cancel := context.WithTimeout(all[0].Ctx, 2*time.Minute)
	defer cancel()
	conn, err := goclient.Connect(goclient.ConnectOptions{URL: "ws://" + balancer.Addr(), Token: all[0].tokenFor("u").Token, MinBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	subscription, err := conn.Subscribe(ctx, "room", goclient.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan string)
	go func() {
		defer close(next)
		for event, err := range subscription.Events(ctx) {
			text := fmt.Sprint(err)
			if m, ok := event.(*goclient.Message); ok && err == nil {
				text = m.Position + " " + string(m.Data)
			} else if err == nil {
				continue
			}
			select {
			case next <- text:
			case <-ctx.Done():
				return
			}
			if gap := (*goclient.Gap)(nil); err != nil && !errors.As(err, &gap) {
				return
			}
		}
	}()
	const each = 20
	var want, got []string
	publish := func(n *node) {
		for range each {
			want = append(want, fmt.Sprint(n.publish("room", len(want)), " ", len(want)))
		}
	}
	take := func() {
		for len(got) < len(want) {
			got = append(got, <-next)
		}
	}
	publish(all[1])
	take()
	balancer.SetBackend(all[1].WS)
	balancer.Do(faultproxy.Failure{Kind: faultproxy.Reset}) // as if n1 had lost power
	publish(all[2])
	take()
	publish(all[0])
	balancer.SetBackend(all[2].WS)
	all[1].shutdown()
	publish(all[0])
	take()
	same(t, "messages", want, got)
}
