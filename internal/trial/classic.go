package trial

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/boreas-pubsub/boreas/boreastest"
	"github.com/boreas-pubsub/boreas/engine"
)

// A classic subscriber speaks the protocol of 2013. Each of its connections starts without a
// position.
type classic struct {
	t     *trial
	name  string
	proxy *boreastest.Proxy
	token func(context.Context) (string, error)
	r     *rand.Rand
}

func (t *trial) newClassic(name string, r *rand.Rand) (*classic, error) {
	proxy, err := t.world.proxy()
	if err != nil {
		return nil, err
	}
	return &classic{t: t, name: name, proxy: proxy, token: t.world.tokens(), r: r}, nil
}

// run connects again and again until the context ends.
func (s *classic) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.once(ctx); err != nil && ctx.Err() == nil {
			s.t.note("%s: %v", s.name, err)
		}
		pause(ctx, time.Duration(s.r.Int64N(int64(100*time.Millisecond))))
	}
}

// once opens one connection, joins some channels, and reads until the connection ends.
func (s *classic) once(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	token, err := s.token(dialing)
	if err != nil {
		return err
	}
	ws, _, err := websocket.Dial(dialing, "ws://"+s.proxy.Addr()+"/", nil)
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	ws.SetReadLimit(readLimit)
	if err := writeJSON(dialing, ws, map[string]string{"access_token": token}); err != nil {
		return err
	}
	names, before := s.choose(), make(map[string]engine.Position)
	recordings := make(map[string]*recording)
	for _, name := range names {
		recordings[name] = s.t.newRecording(s.name, name, true)
		before[name] = s.t.world.head(name)
	}
	var both sync.WaitGroup
	defer both.Wait()
	defer func() {
		for _, r := range recordings {
			r.lost()
		}
	}()
	ctx, end := context.WithCancel(ctx)
	defer end()
	for _, name := range names {
		recordings[name].began(engine.Position{}, before[name], engine.Position{})
	}
	if err := writeJSON(ctx, ws, map[string]any{"channels": map[string]any{"join": names, "leave": []string{}}}); err != nil {
		return err
	}
	both.Go(func() {
		// The pong means that the server has processed the join before it. From now on every
		// publication must be delivered.
		if ws.Ping(ctx) != nil {
			return
		}
		for _, name := range names {
			recordings[name].certain(s.t.world.head(name))
		}
	})
	for {
		_, text, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		var m struct {
			Channel string
			Message json.RawMessage
		}
		if err := json.Unmarshal(text, &m); err != nil || recordings[m.Channel] == nil {
			s.t.unexpected(s.name, m.Channel, "this came: %.200s", text)
			continue
		}
		recordings[m.Channel].got(m.Message, engine.Position{})
	}
}

// choose returns some channels without presence, because a classic subscriber does not know its
// user name.
func (s *classic) choose() (some []string) {
	for _, name := range channels() {
		if !hasPresence(name) && s.r.IntN(3) == 0 {
			some = append(some, name)
		}
	}
	if len(some) == 0 {
		some = append(some, "plain.0")
	}
	return some
}
