package boreas_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// Maximum costs in bytes, from docs/limits.md.
const (
	sessionMost = 4<<10 + 4*boreas.HeldFree // including the uncounted bytes of each kind
	channelMost = 700 + 2*access.MaxChannelName + 110 + 1000 + 300 + 110 + boreas.MaxInfo + 64
)

// reach has a hub with small limits, and clients that use all of them.
type reach struct {
	world
	options  boreas.Options
	made     int // number of names made so far
	sessions []*boreas.Session
	conns    []*boreastest.Conn // belong to the test and are not measured
}

// attack opens sessions from the address until one is refused. Each session does everything that
// costs memory until that is refused: it joins made-up channels with presence and info, publishes
// to made-up channels with keys, and does not read its answers.
func (r *reach) attack(address string) {
	r.Helper()
	for i := 0; ; i++ {
		s, err := r.hub.Reserve(netip.MustParseAddr(address))
		if errors.Is(err, boreas.ErrTooManyAddressSessions) {
			return
		}
		if err != nil {
			r.Fatal(err)
		}
		c := &boreastest.Conn{Form: boreastest.Announcing{}}
		if err := c.Adopt(s, nil); err != nil {
			r.Fatal(err)
		}
		c.Bound(0)
		user := fmt.Sprint(address, " ", i)
		if err := s.Authenticate(boreastest.Grant(user, user)); err != nil {
			r.Fatal(err)
		}
		r.sessions, r.conns = append(r.sessions, s), append(r.conns, c)
		info := append(append([]byte{'"'}, bytes.Repeat([]byte("i"), boreas.MaxInfo-2)...), '"')
		for refused := false; !refused; {
			j := boreas.Join{Channel: r.name("room."), Watch: true, Info: info}
			switch err := s.Join(context.Background(), []boreas.Join{j}, nil)[0].Err; {
			case errors.Is(err, boreas.ErrTooManyChannels), errors.Is(err, boreas.ErrTooManyAddressChannels), errors.Is(err, boreas.ErrTooManyJoinedChannels):
				refused = true
			case err != nil:
				r.Fatal(err)
			}
		}
		for range 100 {
			m := engine.Message{Data: bytes.Repeat([]byte("1"), 3000), Key: r.name("")[:engine.MaxKey]}
			_, err := s.Publish(context.Background(), r.name("chat."), m, boreas.PublishOptions{})
			if errors.Is(err, engine.ErrTooManyKeys) {
				m.Key = ""
				_, err = s.Publish(context.Background(), r.name("chat."), m, boreas.PublishOptions{})
			}
			if err != nil {
				r.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond) // nothing frees memory meanwhile
		for s.Reserve(ctx, 32<<10) == nil {
			s.Send(page(32 << 10))
		}
		cancel()
	}
}

// name returns a new name of the maximum length.
func (r *reach) name(prefix string) string {
	r.made++
	name := fmt.Sprint(prefix, r.made, ".")
	return name + strings.Repeat("x", access.MaxChannelName-len(name))
}

// TestMemoryLimitsHold uses up the limits of docs/limits.md, from one address and from many.
func TestMemoryLimitsHold(t *testing.T) {
	for name, addresses := range map[string]int{"one address": 1, "all": 8} {
		t.Run(name, func(t *testing.T) {
			const history = 2 << 20
			o := boreas.Options{
				MaxChannels: 50, MaxAddressSessions: 10, MaxAddressChannels: 300, ChannelMemory: 4 << 20, PeerMemory: 2 << 20, Sweepers: 1,
			}
			for pattern, rule := range map[string]boreas.Rule{"room.**": {Presence: boreas.PresenceFull}, "chat.**": {ClientPublish: true}} {
				o.Rules = o.Rules.Add(boreastest.Pattern(pattern), rule)
			}
			inBubble(t, func(t *testing.T) {
				engine := newMemory(memory.Options{Memory: history})
				defer engine.Close()
				o := o
				o.Engine = engine
				r := &reach{world: world{t, boreas.New(o)}, options: o}
				defer r.hub.Shutdown(context.Background(), 0)
				before := heapInUse()
				for i := range addresses {
					r.attack(fmt.Sprintf("192.0.2.%d", i))
				}
				after := heapInUse()
				sessions := int64(addresses * o.MaxAddressSessions)
				channels := min(o.ChannelMemory, int64(addresses*o.MaxAddressChannels)*channelMost)
				peers := min(o.PeerMemory, int64(addresses)*o.PeerMemory/8)
				most := sessions*sessionMost + channels + peers + history
				took := after - before
				t.Logf("%d sessions: %d bytes, at most %d (sessions %d, channels %d, peers %d, history %d); %+v",
					len(r.sessions), took, most, sessions*sessionMost, channels, peers, history, r.hub.Stats().Engine)
				if int64(len(r.sessions)) != sessions || took > most {
					t.Errorf("%d sessions hold %d bytes, more than %d", len(r.sessions), took, most)
				}
				if took < most/2 {
					t.Errorf("%d bytes are less than half of the possible %d: the test does not reach the limits", took, most)
				}
				runtime.KeepAlive(r)
			})
		})
	}
}
