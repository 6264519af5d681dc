package ws

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// A request that panics ends only its own session, with 1011. The test has more such requests
// than workers.
func TestARequestThatPanics(t *testing.T) {
	count := new(Counters)
	logger, log := testlog.New()
	valid := boreastest.Check(func(token string) (string, bool) { return "user", token == "valid" })
	o := Options{Counters: count, Log: logger, Check: func(c access.Credentials) (*access.Grant, error) {
		switch {
		case c.Token == "slowly" && c.Slow != nil:
			c.Slow(func() { panic("the check is broken") })
		case c.Token != "valid":
			panic("the check is broken")
		}
		return valid(c)
	}}
	hub, addr := v2Server(t, overSocket, boreas.Options{}, o)
	bystander := newClientAt(t, addr, "/v2")
	n := 4*runtime.GOMAXPROCS(0) + 2
	for i := range n {
		c := newClientAt(t, addr, "/v2")
		c.send(`{"id":1,"auth":{"token":"` + []string{"slowly", "at once"}[i%2] + `"}}`)
		if f, _ := answering(c, `"goodbye"`); !strings.Contains(f, `"code":"internal"`) {
			t.Errorf("got %s", f)
		}
		c.want("close 1011 internal")
		c.write(closeOf("\x03\xf3"))
		c.wantEOF()
	}
	bystander.send(`{"id":1,"auth":{"token":"valid"}}`, `{"id":2,"join":{"channels":[{"channel":"news"}]}}`)
	answering(bystander, `"id":2`)
	if got := count.Panics.Load(); got != uint64(n) {
		t.Errorf("counted %d of %d", got, n)
	}
	if said := log.String(); strings.Count(said, "the check is broken") < n || !strings.Contains(said, "panic_test.go") {
		t.Errorf("the log: %s", said)
	}
	// A panic in the handshake releases the session's place.
	for range 10 {
		resp, err := http.DefaultTransport.RoundTrip(handshakeWith(addr, "broken"))
		if err == nil {
			resp.Body.Close()
			t.Errorf("answered with %s", resp.Status)
		}
	}
	for hub.Sessions() != 1 {
		runtime.Gosched()
	}
}

func handshakeWith(addr, token string) *http.Request {
	r, _ := http.NewRequest("GET", "http://"+addr+"/v2?access_token="+token, nil)
	for k, v := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	return r
}

// A panic of the engine ends the session that called it.
func TestAnEngineThatPanics(t *testing.T) {
	engine := &boreastest.Between{Engine: memory.New(memory.Options{})}
	defer engine.Close()
	broken := func(channel string) {
		if strings.HasPrefix(channel, "chat.broken") {
			panic("the engine is broken")
		}
	}
	engine.BeforeFollow, engine.BeforePublish, engine.BeforeRead = broken, broken, broken
	hub, addr := v2Server(t, overSocket, boreas.Options{Engine: engine}, Options{})
	bystander := newClientAt(t, addr, "/v2")
	bystander.send(`{"id":1,"auth":{"token":"valid"}}`, `{"id":2,"join":{"channels":[{"channel":"chat.a"}]}}`)
	answering(bystander, `"id":2`)
	for _, request := range []string{
		`"publish":{"channel":"chat.broken","message":1}`, `"join":{"channels":[{"channel":"chat.broken"}]}`, `"history":{"channel":"chat.broken"}`,
	} {
		c := newClientAt(t, addr, "/v2")
		c.send(`{"id":1,"auth":{"token":"valid"}}`, `{"id":2,`+request+`}`)
		for f := ""; f != "close 1011 internal"; {
			f = c.next()
		}
	}
	publish(t, hub, "chat.a", "1")
	answering(bystander, `"message":1`)
	if got := hub.Stats().EnginePanics; got != 3 {
		t.Errorf("counted %d", got)
	}
}
