//go:build unix

package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// TestLongSuspension freezes a node, or the NATS server that leads the stream, for longer than all timeouts. Messages
// that were acknowledged meanwhile are kept once, in their order, and all nodes have them. The node sends its clients
// away, and is ready again by itself.
func TestLongSuspension(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
	const length, publishers, channel = 20 * time.Second, 6, "other.0"
	for _, what := range []string{"node", "NATS server"} {
		t.Run(what, func(t *testing.T) {
			r := newRequests()
			defer r.close()
			c := newCluster(r)
			c.linger = 3 * time.Second
			defer func() {
				if err := c.end(); err != nil {
					t.Error(err)
				}
			}()
			if err := c.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			member := c.join(t, 0, c.token(), true)
			defer member.Close()

			var mu sync.Mutex
			acked := make(map[string]string) // texts, by position
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var publishing sync.WaitGroup
			for p := range publishers {
				publishing.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						text := fmt.Sprintf(`"%d %d"`, p, n)
						// To each node in turn, also to the one that is frozen: then the next one gets it.
						position, err := "", errors.New("not sent")
						for try := p; err != nil && t.Context().Err() == nil; try++ {
							limited, cancel := context.WithTimeout(t.Context(), time.Second)
							position, err = c.node((try+n)%nodes, false).publishKey(limited, channel, []byte(text), text)
							cancel()
						}
						mu.Lock()
						if before, ok := acked[position]; ok {
							t.Errorf("%s was acknowledged at %s, like %s", text, position, before)
						}
						acked[position] = text
						mu.Unlock()
						pause(ctx, 10*time.Millisecond)
					}
				})
			}
			frozen := c.node(0, false).process
			if what != "node" {
				frozen = c.servers.process(c.leader(t))
			}
			pause(ctx, 2*time.Second)
			if err := frozen.suspend(); err != nil {
				t.Fatal(err)
			}
			pause(ctx, length)
			if err := frozen.resume(); err != nil {
				t.Fatal(err)
			}
			if what == "node" {
				select {
				case e := <-member.events:
					if !strings.HasPrefix(e, "the connection ended") {
						t.Errorf("the client of the node got %s", e)
					}
				case <-time.After(time.Minute):
					t.Error("the node keeps its client")
				}
			}
			for i := range nodes {
				for began := time.Now(); ; {
					status, text, err := r.sendWithin(ctx, http.MethodGet, "http://"+c.node(i, false).api+"/readyz", nil, nil)
					if err == nil && status == http.StatusOK {
						break
					}
					if time.Since(began) > time.Minute || !pause(ctx, retryPause) {
						t.Fatalf("node %d is not ready: %d %s, %v", i, status, text, err)
					}
				}
			}
			pause(ctx, time.Second)
			cancel()
			publishing.Wait()

			head, err := c.head(t.Context(), channel)
			if err != nil {
				t.Fatal(err)
			}
			kept := make(map[string]string)
			times := make(map[string]int)
			for next := uint64(1); ; {
				m, err := ask(t.Context(), c.truth, map[string]any{"seq": next, "next_by_subj": natsNames.Subject("ch", natsconn.Encode(channel))})
				if errors.Is(err, errNoMessage) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				next = m.Seq + 1
				times[string(m.Data)]++
				kept[engine.Position{Epoch: head.Epoch, Offset: m.Seq}.String()] = string(m.Data)
			}
			if diff := cmp.Diff(acked, kept); diff != "" {
				t.Errorf("(-acknowledged +kept): %.1000s", diff)
			}
			for text, n := range times {
				if n > 1 {
					t.Errorf("%s is kept %d times", text, n)
				}
			}
			for i := range nodes {
				_, text, err := r.sendWithin(t.Context(), http.MethodGet, "http://"+c.node(i, false).api+"/v2/channels/"+channel+"/messages?last=100", nil, nil)
				var page struct {
					Messages []struct {
						Message  json.RawMessage
						Position string
					}
				}
				if err == nil {
					err = json.Unmarshal(text, &page)
				}
				if err != nil || len(page.Messages) != 100 {
					t.Fatalf("node %d has %d messages: %.300s, %v", i, len(page.Messages), text, err)
				}
				for _, m := range page.Messages {
					if kept[m.Position] != string(m.Message) {
						t.Errorf("node %d has %s at %s, and the stream %s", i, m.Message, m.Position, kept[m.Position])
					}
				}
			}
			t.Logf("%d acknowledged", len(acked))
		})
	}
}

// leader returns the number of the NATS server that leads the stream.
func (c *cluster) leader(t *testing.T) int {
	t.Helper()
	m, err := c.truth.RequestWithContext(t.Context(), "$JS.API.STREAM.INFO."+natsNames.Stream(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var info struct{ Cluster struct{ Leader string } }
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	for i := range c.servers.all {
		if c.servers.all[i].Name == info.Cluster.Leader {
			return i
		}
	}
	t.Fatalf("no server leads the stream: %s", m.Data)
	return 0
}
