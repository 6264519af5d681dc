package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// nginx says what a proxy needs to forward WebSockets.
const nginx = "In nginx: `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";`. " +
	"Other proxies have a switch for WebSockets."

// websocket connects as a subscriber does.
func (v *visit) websocket(ctx context.Context, report reporter) {
	if v.distrusted[v.ws.Host] {
		report(Skipped, "not checked, because TLS does not work", "")
		return
	}
	conn, text, do := v.dial(ctx, "")
	if conn == nil {
		report(Failed, text, do)
		return
	}
	defer conn.CloseNow() //nolint:errcheck // it may be closed already
	v.connected = true
	if text := v.greet(ctx, conn); text != "" {
		report(Failed, text, "Check that "+shown(v.ws)+" is the URL of a Boreas server, and that no proxy in between delays frames.")
		return
	}
	report(OK, "the upgrade works, the server speaks protocol 2, and it answers a ping", "")
}

// dial opens a WebSocket. If it fails, it returns nil, the reason, and what to do.
func (v *visit) dial(ctx context.Context, origin string) (conn *websocket.Conn, text, do string) {
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, resp, err := websocket.Dial(ctx, v.ws.String(), &websocket.DialOptions{HTTPClient: v.http, HTTPHeader: header})
	switch {
	case err == nil:
		return conn, "", ""
	case resp == nil:
		text, do = v.unreachable(v.ws, err)
		return nil, text, do
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return nil, fmt.Sprintf("the upgrade does not follow RFC 6455: %v", err), nginx
	}
	// The library keeps the first 1,024 bytes.
	body, _ := io.ReadAll(resp.Body)
	text, do = v.noUpgrade(ctx, &answer{status: resp.StatusCode, header: resp.Header, body: string(body)})
	return nil, text, do
}

// noUpgrade explains why a handshake was not answered with an upgrade.
func (v *visit) noUpgrade(ctx context.Context, a *answer) (text, do string) {
	code, message := a.fault()
	status := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	switch {
	case code == "origin_not_allowed":
		return message, "Add the origin to the server's option `allow_origin`."
	case code == "upgrade_required" || strings.Contains(message, "HTTP/1.1") || strings.Contains(message, "proxy in between"):
		return "a proxy in between drops the headers of the upgrade: " + message, nginx
	case gateway(a.status):
		return "a proxy answers " + status + ": it does not reach the server", behind
	case a.status >= 300 && a.status < 400:
		return "the answer is a redirect, " + status + ", which browsers do not follow for a WebSocket", "Use the URL that it redirects to."
	}
	if strings.Contains(a.body, "HTTP request to an HTTPS server") {
		return v.ws.Host + " speaks TLS", "Give the URL with wss://."
	}
	if other, err := v.get(ctx, v.wsHTTP("/healthz"), ""); err == nil && other.status == http.StatusOK && other.body == "ok\n" && code == "not_found" {
		return strings.TrimSuffix(shown(v.ws), "/v2") + " is the API, not the port for subscribers", swapped
	}
	if code != "" {
		return "the server refuses: " + message, "See docs/errors.md#" + code + "."
	}
	return "no upgrade: a proxy or another program answers " + status + "", nginx
}

// greet reads the greeting and sends a ping. It returns the problem, or "" if there is none.
func (v *visit) greet(ctx context.Context, conn *websocket.Conn) string {
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	var first struct {
		Hello struct {
			Protocol int `json:"protocol"`
		} `json:"hello"`
	}
	_, text, err := conn.Read(ctx)
	switch {
	case ctx.Err() != nil:
		return fmt.Sprintf("the upgrade works, but no greeting arrived within %v", v.o.Timeout)
	case err != nil:
		return fmt.Sprintf("the upgrade works, but no greeting arrived: %v", err)
	case json.Unmarshal(text, &first) != nil || first.Hello.Protocol != 2:
		return "the upgrade works, but the server does not speak protocol 2"
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"id":1,"ping":{}}`)); err != nil {
		return fmt.Sprintf("a ping cannot be sent: %v", err)
	}
	for {
		_, text, err := conn.Read(ctx)
		if ctx.Err() != nil {
			return fmt.Sprintf("a ping was not answered within %v", v.o.Timeout)
		}
		if err != nil {
			return fmt.Sprintf("a ping was not answered: %v", err)
		}
		var reply struct {
			ID int `json:"id"`
		}
		if json.Unmarshal(text, &reply) == nil && reply.ID == 1 {
			return ""
		}
	}
}

// origin connects as a page of the origin does.
func (v *visit) origin(ctx context.Context, report reporter) {
	switch {
	case v.o.Origin == "":
		report(Skipped, "no --origin was given", "")
		return
	case !v.connected:
		report(Skipped, "no WebSocket works", "")
		return
	}
	conn, text, do := v.dial(ctx, v.o.Origin)
	if conn == nil {
		report(Failed, "a page of "+v.o.Origin+" cannot connect: "+text, do)
		return
	}
	conn.CloseNow() //nolint:errcheck // only the handshake was needed
	report(OK, "pages of "+v.o.Origin+" may connect", "")
}
