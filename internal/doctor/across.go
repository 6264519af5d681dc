package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

const (
	// maxNodeSkew is how much the clocks of two nodes may differ. Ages of messages depend on them. The
	// header Date has a resolution of one second.
	maxNodeSkew = 5 * time.Second

	// lookEvery is the time between two looks at whether a node has a message.
	lookEvery = 50 * time.Millisecond

	seeNode = "See the log and /readyz of both nodes, and run `boreas cluster status`."
)

// A node is a node of a cluster, as seen at its API.
type node struct {
	name   string
	api    string
	client *client.Client
	ahead  time.Duration // of its clock before the one of this machine
}

// across publishes a message at the API and looks for it at each of the other nodes that were given,
// and the other way round. It reports nothing if none was given.
func (v *visit) across(ctx context.Context, report reporter) {
	if len(v.o.Nodes) == 0 {
		return
	}
	if v.health == nil || !v.allowed {
		report(Skipped, "the API cannot be reached, or does not accept the key", "")
		return
	}
	first, ok := v.node(ctx, v.o.API, report)
	if !ok {
		return
	}
	for _, address := range v.o.Nodes {
		other, ok := v.node(ctx, strings.TrimSuffix(address, "/"), report)
		switch {
		case !ok:
		case other.name == first.name:
			report(Failed, fmt.Sprintf("%s and %s are both the node %s", first.api, other.api, first.name), "Give the API of each node by itself, not that of a load balancer.")
		default:
			v.pair(ctx, first, other, report)
		}
	}
}

// node asks an API which node it is of.
func (v *visit) node(ctx context.Context, api string, report reporter) (n node, ok bool) {
	u, err := url.Parse(api)
	if err == nil {
		n.client, err = client.New(client.Options{API: api, Key: v.o.Key, HTTP: v.http})
	}
	if err != nil {
		report(Failed, reason(err).Error(), "Give the URL of the API of a node, such as http://10.0.0.6:8001.")
		return n, false
	}
	a, err := v.get(ctx, api+"/v2/nodes", v.o.Key)
	if err != nil {
		text, do := v.unreachable(u, err)
		report(Failed, text, do)
		return n, false
	}
	var list struct{ Node string }
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &list) != nil {
		_, message := a.fault()
		report(Failed, fmt.Sprintf("%s/v2/nodes: %s", api, message), "Give a key with the verb stats.")
		return n, false
	}
	if list.Node == "" {
		report(Failed, api+" is not a node of a cluster", "Start it with the option `cluster_peers` or `engine`, or give the URL of a node.")
		return n, false
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		n.ahead = date.Sub(a.at)
	}
	n.name, n.api = list.Node, api
	return n, true
}

// pair checks that two nodes have what is published at the other one.
func (v *visit) pair(ctx context.Context, first, other node, report reporter) {
	if apart := (first.ahead - other.ahead).Abs().Truncate(time.Second); apart > maxNodeSkew {
		report(Warning, fmt.Sprintf("the clocks of %s and %s are %v apart: messages expire too early or too late", first.name, other.name, apart), "Set both clocks by NTP.")
	}
	for _, way := range [][2]node{{first, other}, {other, first}} {
		from, to := way[0], way[1]
		asking, cancel := context.WithTimeout(ctx, v.o.Timeout)
		ack, err := from.client.Publish(asking, v.channel, "hello", client.PublishOptions{})
		cancel()
		if err != nil {
			_, message := refused(err)
			report(Failed, fmt.Sprintf("%s does not publish: %s", from.name, message), seeNode)
			return
		}
		if err := v.arrives(ctx, to, ack.Position); err != nil {
			report(Failed, fmt.Sprintf("%s does not have a message that was published at %s: %v", to.name, from.name, err), seeNode)
			return
		}
	}
	report(OK, fmt.Sprintf("%s and %s have what is published at the other one", first.name, other.name), "")
}

// arrives waits until a node has read all messages up to the position.
func (v *visit) arrives(ctx context.Context, n node, position string) error {
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	for began := time.Now(); ; {
		info, err := n.client.Channel(ctx, v.channel)
		switch {
		case err != nil:
			_, message := refused(err)
			return errors.New(message)
		case reaches(info.Position, position):
			return nil
		case time.Since(began) >= v.o.Wait:
			return fmt.Errorf("it is still at %s after %v, and the message has %s", info.Position, v.o.Wait, position)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
		}
	}
}

// reaches reports whether a position is not before another one. Positions are an epoch and an offset;
// offsets are numbers without leading zeros.
func reaches(position, wanted string) bool {
	epoch, offset, ok := strings.Cut(position, "-")
	wantedEpoch, wantedOffset, wantedOK := strings.Cut(wanted, "-")
	if !ok || !wantedOK || epoch != wantedEpoch || len(offset) != len(wantedOffset) {
		return ok && wantedOK && epoch == wantedEpoch && len(offset) > len(wantedOffset)
	}
	return offset >= wantedOffset
}
