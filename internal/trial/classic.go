package trial

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A classic subscriber speaks the protocol of 2013. Each of its connections starts without a
// position.
type classic struct {
	t     *trial
	name  string
	proxy *faultproxy.Proxy
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

// errReplaced means that the server was replaced while a subscriber connected. The new one may not know
// the token, and would ignore it, as the protocol wants.
var errReplaced = errors.New("the server was replaced")

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
	dialing, cancel := context.WithTimeout(ctx, s.t.dialLimit())
	defer cancel()
	server := s.t.world.address()
	token, err := s.token(dialing)
	if err != nil {
		return err
	}
	ws, err := wstest.Connect("ws://"+s.proxy.Addr()+"/", wstest.Options{Context: ctx, Patience: s.t.dialLimit(), Header: s.t.offer()})
	if err != nil {
		return err
	}
	defer ws.Close()
	if s.t.world.address() != server {
		return errReplaced
	}
	ws.Patience = time.Hour // it may be silent
	ws.Send(map[string]string{"access_token": token})
	names, before := s.choose(), make(map[string]engine.Position)
	recordings := make(map[string]*recording)
	for _, name := range names {
		recordings[name] = s.t.newRecording(s.name, name, true)
		before[name] = s.t.world.head(name)
	}
	defer func() {
		for _, r := range recordings {
			r.lost()
		}
	}()
	for _, name := range names {
		recordings[name].began(engine.Position{}, before[name], engine.Position{})
	}
	// The pong means that the server has processed the join before it. From now on every
	// publication must be delivered.
	ws.OnPong = func(string) {
		for _, name := range names {
			recordings[name].certain(s.t.world.head(name))
		}
	}
	ws.Send(map[string]any{"channels": map[string]any{"join": names, "leave": []string{}}})
	io.WriteString(ws, wstest.Ping("")) //nolint:errcheck // the end is noticed by reading
	for {
		text, err := ws.Next()
		if err != nil {
			return err
		}
		var m struct {
			Channel string
			Message json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil || recordings[m.Channel] == nil {
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
