package trial

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

const (
	rawChoices = 8                      // channels that a subscriber is on at once, about
	doAfter    = 120 * time.Millisecond // between two things that a subscriber does, on average
)

// A raw subscriber speaks protocol 2 without a client library. It reconnects with its last
// positions.
type raw struct {
	t     *trial
	name  string
	proxy *faultproxy.Proxy
	a     *author
	token func(context.Context) (string, error)

	mu sync.Mutex

	// Guarded by mu.
	r        *rand.Rand
	places   map[string]*rawChannel // the channels to be joined
	pending  *rawPublish            // not acknowledged yet
	conn     *rawConn               // the current connection
	quiet    bool                   // no further actions
	doubling bool                   // the next resume is made twice
}

// rawChannel is a channel that the subscriber wants to join, with the last position.
type rawChannel struct {
	*recording
	since   string
	joined  bool // on the current connection
	leaving bool // the subscriber has sent a leave on the current connection
}

type rawPublish struct {
	message oracle.Message
	key     string
	noEcho  bool
}

// rawConn is one connection.
type rawConn struct {
	ws       *wstest.Conn
	lastID   uint64
	requests map[uint64]any // by id: []rawJoin, the channel of a leave as a string, or *rawPublish
}

type rawJoin struct {
	channel *rawChannel
	name    string
	since   string
	before  engine.Position // the head when the join was sent
}

func (t *trial) newRaw(name string, r *rand.Rand) (*raw, error) {
	proxy, err := t.world.proxy()
	if err != nil {
		return nil, err
	}
	return &raw{
		t: t, name: name, proxy: proxy, r: r, a: t.newAuthor(name), token: t.world.tokens(),
		places: make(map[string]*rawChannel),
	}, nil
}

// run connects again and again until the context ends.
func (s *raw) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.once(ctx)
		s.lost()
		if ctx.Err() == nil && err != nil {
			s.t.note("%s: %v", s.name, err)
		}
		s.mu.Lock()
		wait := time.Duration(s.r.Int64N(int64(100 * time.Millisecond)))
		s.mu.Unlock()
		pause(ctx, wait)
	}
}

// lost records the end of the connection.
func (s *raw) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = nil
	for _, c := range s.places {
		c.leaving = false
		if c.joined {
			c.joined = false
			c.lost()
		}
	}
}

// once opens one connection and serves it until it ends.
func (s *raw) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dialing, dialed := context.WithTimeout(ctx, s.t.dialLimit())
	defer dialed()
	token, err := s.token(dialing)
	if err != nil {
		return err
	}
	ws, user, err := s.t.dialV2(ctx, s.proxy.Addr(), token)
	if err != nil {
		return err
	}
	defer ws.Close()
	c := &rawConn{ws: ws, requests: make(map[uint64]any)}
	s.t.is(s.name, user)
	s.mu.Lock()
	s.conn = c
	s.mu.Unlock()
	s.resume(ctx)
	var doing sync.WaitGroup
	defer doing.Wait()
	defer cancel()
	doing.Go(func() { s.act(ctx) })
	for {
		f, err := ws.NextMessage()
		if err != nil {
			return err
		}
		s.take(c, f)
	}
}

// dialLimit bounds a handshake. Several nodes are slower: all are on this machine.
func (t *trial) dialLimit() time.Duration {
	if t.o.Cluster {
		return 10 * time.Second
	}
	return 2 * time.Second
}

// dialV2 connects and authenticates. It also returns the longest silence that the server may keep.
func (t *trial) dialV2(ctx context.Context, addr, token string) (ws *wstest.Conn, user string, err error) {
	ws, err = wstest.Connect("ws://"+addr+"/v2", wstest.Options{Context: ctx, Patience: t.dialLimit(), Header: t.offer()})
	if err != nil {
		return nil, "", err
	}
	if user, err = t.begin(ws, token); err != nil {
		ws.Close()
		return nil, "", err
	}
	return ws, user, nil
}

// begin reads the hello and sends the token.
func (t *trial) begin(ws *wstest.Conn, token string) (user string, err error) {
	hello, err := ws.NextMessage()
	if err != nil {
		return "", err
	}
	if hello.Hello == nil {
		return "", fmt.Errorf("the first message is not a hello: %+v", hello)
	}
	ws.Send(map[string]any{"id": 0, "auth": map[string]string{"token": token}})
	auth, err := ws.NextMessage()
	if err != nil {
		return "", err
	}
	if auth.Auth == nil {
		return "", fmt.Errorf("not let in: %+v", auth.Error) // the server was replaced
	}
	ws.Patience = cmp.Or(time.Duration(hello.Hello.Heartbeat)*1500*time.Millisecond, time.Minute)
	return auth.Auth.User, nil
}

// ask sends a request on the current connection. The caller holds mu.
func (s *raw) ask(what any, kind string, body any) {
	c := s.conn
	if c == nil {
		return
	}
	c.lastID++
	c.requests[c.lastID] = what
	c.ws.Send(map[string]any{"id": c.lastID, kind: body})
}

// resume joins all channels of the previous connection again, and repeats the unanswered publish.
func (s *raw) resume(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for name := range s.places {
		all = append(all, name)
	}
	if s.doubling && len(all) > 0 {
		s.doubling = false
		s.t.echo(func() { s.t.resumeTwice(ctx, s) })
	}
	s.join(all...)
	if s.pending != nil {
		s.publish(s.pending)
	}
}

// join sends a join for channels in places. The caller holds mu.
func (s *raw) join(names ...string) {
	if len(names) == 0 {
		return
	}
	var asked []rawJoin
	var joins []map[string]any
	for _, name := range names {
		c := s.places[name]
		asked = append(asked, rawJoin{c, name, c.since, s.t.world.head(name)})
		j := map[string]any{"channel": name}
		if c.since != "" {
			j["since"] = c.since
		}
		if hasPresence(name) {
			j["presence"] = true
		}
		joins = append(joins, j)
	}
	s.ask(asked, "join", map[string]any{"channels": joins})
}

func (s *raw) publish(p *rawPublish) {
	body := map[string]any{
		"channel": p.message.Channel, "key": p.key,
		"message": json.RawMessage(newContent(p.message, p.noEcho)),
	}
	if p.noEcho {
		body["echo"] = false
	}
	s.ask(p, "publish", body)
}

// act joins, leaves and publishes at random until the context ends.
func (s *raw) act(ctx context.Context) {
	for {
		s.mu.Lock()
		wait := time.Duration(s.r.Int64N(int64(2 * doAfter)))
		s.mu.Unlock()
		if !pause(ctx, wait) {
			return
		}
		s.mu.Lock()
		if s.quiet {
			s.mu.Unlock()
			return
		}
		s.actOnce()
		s.mu.Unlock()
	}
}

// actOnce takes one random action. The caller holds mu.
func (s *raw) actOnce() {
	all := channels()
	name := all[s.r.IntN(len(all))]
	c := s.places[name]
	switch s.r.IntN(5) {
	case 0:
		if c != nil && c.joined && !c.leaving {
			c.leaving = true
			s.ask(name, "leave", map[string]any{"channels": []string{name}})
		}
	case 1, 2:
		if c == nil && len(s.places) < rawChoices {
			s.places[name] = &rawChannel{recording: s.t.newRecording(s.name, name, false)}
			s.join(name)
		}
	default:
		if s.pending == nil {
			room := fmt.Sprintf("room.%d", s.r.IntN(rooms))
			s.pending = &rawPublish{s.a.next(room), s.a.key(), s.r.IntN(2) == 0}
			s.publish(s.pending)
		}
	}
}

// take handles a message from the server.
func (s *raw) take(c *rawConn, f wstest.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.ID != nil {
		id, _ := strconv.ParseUint(string(f.ID), 10, 64)
		asked := c.requests[id]
		delete(c.requests, id)
		s.answered(asked, f)
		return
	}
	if f.Error != nil {
		s.t.unexpected(s.name, f.Channel, "error %s: %s", f.Error.Code, f.Error.Message)
		return
	}
	place := s.places[f.Channel]
	if f.Channel == "" {
		return // a heartbeat, a goodbye
	}
	if place == nil || !place.joined {
		s.t.unexpected(s.name, f.Channel, "something came, and the channel is not joined")
		return
	}
	switch {
	case f.Gap != nil:
		place.since = f.Gap.To
		place.missed(s.t.gap(s.name, f.Gap))
	case f.Presence != nil:
		place.called(presenceCall(f.Presence))
	default:
		place.since = f.Position
		place.got(f.Message, s.t.position(s.name, f.Position))
	}
}

// answered handles a reply. The caller holds mu.
func (s *raw) answered(asked any, f wstest.Message) {
	switch asked := asked.(type) {
	case []rawJoin:
		if f.Join == nil || len(f.Join.Channels) != len(asked) {
			s.t.unexpected(s.name, "", "a join was answered with %+v", f)
			return
		}
		for i, result := range f.Join.Channels {
			s.joined(asked[i], result)
		}
	case string: // the channel of a leave
		if place := s.places[asked]; place != nil {
			delete(s.places, asked)
			place.left()
		}
	case *rawPublish:
		s.published(asked, f)
	default:
		s.t.unexpected(s.name, "", "a reply to nothing: %+v", f)
	}
}

// joined handles the result of a join. The caller holds mu.
func (s *raw) joined(asked rawJoin, result wstest.Joined) {
	if s.t.later(result.Error) {
		if s.conn != nil {
			s.conn.ws.Close() // the next connection joins again
		}
		return
	}
	if result.Channel != asked.name || result.Error != nil {
		s.t.unexpected(s.name, asked.name, "a join was answered with %+v (%+v)", result, result.Error)
		return
	}
	asked.channel.joined = true
	s.t.joined(s.name, asked.channel.recording, asked.since, asked.before, result)
	asked.channel.since = result.Position
}

// later reports whether a cluster refuses a request for now, for example because its NATS servers are
// electing a leader.
func (t *trial) later(err *wstest.Error) bool {
	return t.world.cluster != nil && err != nil && err.Retry != "never"
}

// joined records the result of a join.
func (t *trial) joined(who string, r *recording, since string, before engine.Position, result wstest.Joined) {
	at := t.position(who, result.Position)
	switch {
	case since == "":
		r.began(at, before, t.world.head(result.Channel))
	case result.Recovered == nil || *result.Recovered == (result.Gap != nil):
		t.unexpected(who, result.Channel, "a resume was answered with %+v", result)
	case result.Gap != nil:
		r.missed(t.gap(who, result.Gap))
		r.resumed(at)
	default:
		r.resumed(at)
	}
	if result.Presence != nil {
		r.called(presenceCall(result.Presence))
	}
}

// published handles the reply to a publish. The caller holds mu.
func (s *raw) published(p *rawPublish, f wstest.Message) {
	switch {
	case f.Publish != nil:
		s.a.note(p.message, true, f.Publish.Position)
	case f.Error != nil && f.Error.Retry == "never":
		s.t.unexpected(s.name, p.message.Channel, "a publish was refused: %s: %s", f.Error.Code, f.Error.Message)
	default:
		// The next connection sends the publish again, with the same key.
		if s.conn != nil {
			s.conn.ws.Close()
		}
		return
	}
	s.pending = nil
}

func (t *trial) gap(who string, g *wstest.Gap) boreas.Gap {
	return boreas.Gap{Reason: boreas.GapReason(g.Reason), From: t.position(who, g.From), To: t.position(who, g.To)}
}

// hasPresence reports whether the channel's rule enables presence.
func hasPresence(channel string) bool { return strings.HasPrefix(channel, "room") }
