package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

const joinTwo = `{"id":1,"join":{"channels":[{"channel":"a"},{"channel":"b"}]}}`

// TestConfiguredUserLimits allows one user one connection and one channel.
func TestBoundsOfAUserArrive(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) { c.UserConnections, c.UserChannels = 1, 1 }), Options{})
	token, _, err := s.authority.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	dial := func() *wstest.Conn {
		c := wstest.Dial(t, "ws://"+s.WSAddr().String()+"/v2", wstest.Options{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if hello := c.Read(); !strings.HasPrefix(hello, `{"hello":`) {
			t.Fatal(hello)
		}
		return c
	}
	next := func(c *wstest.Conn) string {
		got := c.Read()
		if got == `{"heartbeat":{}}` { // the session's turn may come at any moment
			got = c.Read()
		}
		return got
	}
	c := dial()
	c.Send(joinTwo)
	if got := next(c); !strings.Contains(got, `{"channel":"a","position":`) || !strings.Contains(got, `{"channel":"b","error":{"code":"too_many_user_channels"`) {
		t.Errorf("got %s", got)
	}
	if got := next(dial()); !strings.HasPrefix(got, `{"goodbye":{"error":{"code":"too_many_connections"`) {
		t.Errorf("a second connection got %s", got)
	}
}

// TestConfiguredChannelLimits allows one address one channel, and then all addresses almost none.
func TestConfiguredChannelLimits(t *testing.T) {
	for _, c := range []struct {
		set  func(*config.Config)
		code string
	}{
		{func(c *config.Config) { c.AddressChannels, c.UnlimitedAddresses = 1, "" }, "too_many_address_channels"},
		{func(c *config.Config) { c.ChannelMemory = 400 }, "too_many_joined_channels"},
	} {
		s := start(t, testConfig(func(cfg *config.Config) { c.set(cfg) }), Options{})
		token, _, err := s.authority.CreateToken(auth.Token{User: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		conn := wstest.Dial(t, "ws://"+s.WSAddr().String()+"/v2", wstest.Options{Header: http.Header{"Authorization": {"Bearer " + token}}})
		conn.Send(joinTwo)
		if got := conn.ReadUntil(`"id":1`); !strings.Contains(got, `{"channel":"a","position":`) || !strings.Contains(got, `{"channel":"b","error":{"code":"`+c.code+`"`) {
			t.Errorf("got %s", got)
		}
	}
}
