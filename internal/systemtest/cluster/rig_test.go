package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

type object = whole.Object

// linger is the presence linger of the nodes. It is short, so that the tests take little time, and long
// enough for a client that reconnects on a busy machine.
const linger = 2 * time.Second

// A node is one server of a cluster. Its way to NATS leads through a proxy that can cut it off.
type node struct {
	*whole.Site
	name   string
	proxy  *faultproxy.Proxy
	log    *testlog.Buffer
	server *server.Server
	ended  bool
}

// startNodes starts a NATS server and nodes named n1, n2 and so on, which end with the test. All accept
// the tokens of the first one's issuer, and know the same operator.
func startNodes(t *testing.T, count int, change ...func(*config.Config)) []*node {
	t.Helper()
	u, err := url.Parse(natstest.Start(t).ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	var all []*node
	for i := range count {
		n := &node{Site: whole.WithoutServer(t, ""), name: fmt.Sprintf("n%d", i+1)}
		if n.proxy, err = faultproxy.New(u.Host); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.proxy.Close)
		all = append(all, n)
		n.start(all[0], change)
	}
	all[0].NewAdmin()
	for _, n := range all {
		n.Admin = all[0].Admin
	}
	all[0].awaitNodes(count)
	return all
}

func (n *node) start(first *node, change []func(*config.Config)) {
	n.Helper()
	c := config.Default()
	c.APIHost, c.APIPort, c.WSHost, c.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
	c.DrainTime, c.PresenceLinger = 0, linger
	c.Rules = []config.Rule{{Pattern: "**", Presence: boreas.PresenceFull, ClientPublish: true}}
	c.JWTKeys = "hs256:" + first.Issuer.File
	c.JWTIssuer, c.JWTAudience = issuer.Name, issuer.Audience
	c.Engine, c.NATSReplicas, c.Node = "nats://"+n.proxy.Addr(), 1, n.name
	for _, f := range change {
		f(&c)
	}
	log, buffer := testlog.New()
	n.log = buffer
	var err error
	if n.server, err = server.Start(n.Ctx, c, server.Options{Log: log, Version: "test"}); err != nil {
		n.Fatal(err)
	}
	n.Config, n.API, n.WS = c, n.server.APIAddr().String(), n.server.WSAddr().String()
	n.Cleanup(func() {
		n.shutdown()
		if n.Failed() {
			n.Logf("the log of %s:\n%s", n.name, buffer)
		}
	})
}

// shutdown ends the node in order.
func (n *node) shutdown() {
	n.Helper()
	if n.ended {
		return
	}
	n.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), whole.Patience)
	defer cancel()
	n.Client.CloseIdleConnections()
	if err := n.server.Shutdown(ctx); err != nil {
		n.Error(err)
	}
}

// cutOff makes the node lose NATS, and with it the other nodes. To them it has died without a goodbye.
func (n *node) cutOff() {
	n.proxy.Refuse(true)
	n.proxy.Do(faultproxy.Failure{Kind: faultproxy.Cut})
}

// await waits until a condition holds. State describes the present state.
func (n *node) await(what string, holds func() (ok bool, state string)) {
	n.Helper()
	began := time.Now()
	for {
		n.Progress(time.Now())
		ok, state := holds()
		if ok {
			return
		}
		if time.Since(began) > whole.Patience {
			n.Fatalf("%s: still not %s, but %s", n.name, what, state)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitNodes waits until the node counts so many live nodes.
func (n *node) awaitNodes(count int) {
	n.Helper()
	n.await(fmt.Sprint(count, " live nodes"), func() (bool, string) {
		var got struct{ Live []struct{ Node string } }
		n.Must("GET", "/v2/nodes", nil, &got)
		return len(got.Live) == count, fmt.Sprint(got)
	})
}

// get returns the answer to a GET of the operator as JSON.
func (n *node) get(path string) (text string) {
	n.Helper()
	n.Must("GET", path, nil, &text)
	return strings.TrimSpace(text)
}

// publish publishes a message over HTTP and returns its position.
func (n *node) publish(channel string, message any) string {
	n.Helper()
	if text, ok := message.(string); ok {
		message = strconv.Quote(text) // the site sends a string as it is
	}
	var ack struct{ Position string }
	n.Must("POST", "/v2/channels/"+channel+"/messages", message, &ack)
	return ack.Position
}

// tokenFor makes a token for a user that allows everything.
func (n *node) tokenFor(user string) whole.Made {
	n.Helper()
	return n.NewToken(object{"user": user})
}

// A client speaks protocol 2 over a WebSocket.
type client struct {
	*wstest.Conn
	t       testing.TB
	session string
	backlog []wstest.Message // read while waiting for a reply
	replies int
}

// dial opens a WebSocket on the node. When it returns, the session has the token's grant: the server
// says hello a moment earlier.
func (n *node) dial(token string) *client {
	n.Helper()
	c := &client{Conn: wstest.Dial(n.TB, "ws://"+n.WS+"/v2", wstest.Options{Header: http.Header{"Authorization": {"Bearer " + token}}}), t: n.TB}
	var hello struct{ Hello struct{ Session string } }
	if err := json.Unmarshal([]byte(c.Read()), &hello); err != nil {
		n.Fatal(err)
	}
	c.session = hello.Hello.Session
	c.ask("ping", object{})
	return c
}

// ask sends a request and returns its reply.
func (c *client) ask(kind string, request object) wstest.Message {
	c.t.Helper()
	c.replies++
	id := fmt.Sprint(c.replies)
	c.Send(object{"id": c.replies, kind: request})
	for {
		m := c.read()
		if string(m.ID) == id {
			if m.Error != nil {
				c.t.Fatalf("%s %v: %+v", kind, request, m.Error)
			}
			return m
		}
		c.backlog = append(c.backlog, m)
	}
}

// join joins a channel. More are further members of the request.
func (c *client) join(channel string, more object) wstest.Joined {
	c.t.Helper()
	entry := object{"channel": channel}
	for k, v := range more {
		entry[k] = v
	}
	j := c.ask("join", object{"channels": []object{entry}}).Join.Channels[0]
	if j.Error != nil {
		c.t.Fatalf("join %s: %+v", channel, j.Error)
	}
	return j
}

// publish publishes a message and returns its position.
func (c *client) publish(channel string, message any, more object) string {
	c.t.Helper()
	request := object{"channel": channel, "message": message}
	for k, v := range more {
		request[k] = v
	}
	return c.ask("publish", request).Publish.Position
}

// next returns the next message that is no reply.
func (c *client) next() wstest.Message {
	c.t.Helper()
	if len(c.backlog) > 0 {
		m := c.backlog[0]
		c.backlog = c.backlog[1:]
		return m
	}
	return c.read()
}

// read returns the next message that is no heartbeat.
func (c *client) read() (m wstest.Message) {
	c.t.Helper()
	for {
		text := c.Read()
		if text == `{"heartbeat":{}}` {
			continue
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			c.t.Fatal(err)
		}
		return m
	}
}

// events returns the next messages of the channel as text.
func (c *client) events(count int) (all []string) {
	c.t.Helper()
	for range count {
		m := c.next()
		if m.Gap != nil || m.Position == "" {
			c.t.Fatalf("got %+v after %d messages", m, len(all))
		}
		all = append(all, event(m.Event))
	}
	return all
}

func event(e wstest.Event) string { return e.Position + " " + string(e.Message) }

// A stream follows server-sent events.
type stream struct {
	t      testing.TB
	events *ssetest.Reader
	id     string
}

// follow opens a stream of events on the node. The reply to its join has been read.
func (n *node) follow(token, channel, since string) *stream {
	n.Helper()
	r, err := http.NewRequestWithContext(n.Ctx, http.MethodGet, "http://"+n.WS+"/v2/events?channel="+channel, nil)
	if err != nil {
		n.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if since != "" {
		r.Header.Set("Last-Event-ID", since)
	}
	response, err := n.Client.Do(r)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { response.Body.Close() })
	s := &stream{t: n.TB, events: ssetest.New(response.Body)}
	if e := s.next(); e.Type != "join" || strings.Contains(e.Data, `"gap"`) {
		n.Fatalf("the stream begins with %+v", e)
	}
	return s
}

func (s *stream) next() ssetest.Event {
	s.t.Helper()
	e, err := s.events.Next()
	if err != nil {
		s.t.Fatal(err)
	}
	if e.ID != "" {
		s.id = e.ID
	}
	return e
}

func (s *stream) take(count int) (all []string) {
	s.t.Helper()
	for range count {
		e := s.next()
		var m wstest.Event
		if err := json.Unmarshal([]byte(e.Data), &m); err != nil || e.Type != "" {
			s.t.Fatalf("got %+v, %v", e, err)
		}
		all = append(all, event(m))
	}
	return all
}

// same compares the result of a test with the expected one.
func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// compact returns JSON without white space.
func compact(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return b.String()
}
