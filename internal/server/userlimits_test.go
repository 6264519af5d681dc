package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/boreas-pubsub/boreas/auth"
	"github.com/boreas-pubsub/boreas/internal/config"
)

// TestConfiguredUserLimits allows one user one connection and one channel.
func TestConfiguredUserLimits(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) { c.UserConnections, c.UserChannels = 1, 1 }), Options{})
	token, _, err := s.authority.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	dial := func() *websocket.Conn {
		c, _, err := websocket.Dial(t.Context(), "ws://"+s.WSAddr().String()+"/v2", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		if hello, _ := read(t, c); !strings.HasPrefix(hello, `{"hello":`) {
			t.Fatal(hello)
		}
		return c
	}
	next := func(c *websocket.Conn) string {
		got, _ := read(t, c)
		if got == `{"heartbeat":{}}` { // a heartbeat may arrive at any time
			got, _ = read(t, c)
		}
		return got
	}
	c := dial()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"join":{"channels":[{"channel":"a"},{"channel":"b"}]}}`)); err != nil {
		t.Fatal(err)
	}
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
		conn, _, err := websocket.Dial(t.Context(), "ws://"+s.WSAddr().String()+"/v2", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"join":{"channels":[{"channel":"a"},{"channel":"b"}]}}`)); err != nil {
			t.Fatal(err)
		}
		for got := ""; !strings.Contains(got, `"id":1`); {
			got, _ = read(t, conn)
			if strings.Contains(got, `"id":1`) && (!strings.Contains(got, `{"channel":"a","position":`) || !strings.Contains(got, `{"channel":"b","error":{"code":"`+c.code+`"`)) {
				t.Errorf("got %s", got)
			}
		}
	}
}
