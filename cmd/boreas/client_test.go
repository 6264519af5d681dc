package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// TestClientScripts runs the commands that talk to a server, as users do. The scripts have these
// additional commands:
//
//   - `listed CHANNEL [NUMBER]` waits until the channel has a subscriber, or NUMBER of them.
//   - `tokens NUMBER` checks how many tokens the server knows.
//   - `position FILE` sets $POSITION to the position of the last message in the file.
func TestClientScripts(t *testing.T) {
	runScripts(t, "testdata/client", map[string]func(*testscript.TestScript, bool, []string){
		"server": func(ts *testscript.TestScript, neg bool, args []string) {
			scriptServer(ts, neg, args)
			ts.Setenv("NO_WS_URL", strings.Replace(ts.Getenv("BOREAS_API_URL"), "http:", "ws:", 1))
		},
		"listed":   scriptListed,
		"tokens":   scriptTokens,
		"position": scriptPosition,
	})
}

func scriptListed(ts *testscript.TestScript, neg bool, args []string) {
	wanted := 1
	if len(args) == 2 {
		var err error
		wanted, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: listed CHANNEL [NUMBER]")
	}
	c, err := client.New(client.Options{API: ts.Getenv("BOREAS_API_URL")})
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		tokens, err := c.ActiveTokens(ctx, args[0])
		ts.Check(err)
		if len(tokens) >= wanted {
			return
		}
	}
}

func scriptTokens(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tokens NUMBER")
	}
	resp, err := http.Get(ts.Getenv("BOREAS_API_URL") + "/debug/token-dump")
	ts.Check(err)
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if got := fmt.Sprint(len(strings.Fields(string(text)))); got != args[0] {
		ts.Fatalf("the server knows %s tokens, not %s", got, args[0])
	}
}

func scriptPosition(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: position FILE")
	}
	all := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	var last struct{ Position string }
	ts.Check(json.Unmarshal([]byte(all[len(all)-1]), &last))
	ts.Setenv("POSITION", last.Position)
}

func TestSubscribeWarnsOfATokenThatTheServerDidNotAccept(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"tokens": ["another"]}`)
	}))
	defer api.Close()
	ws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
	}))
	defer ws.Close()

	told, stderr := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"boreas", "subscribe", "--classic", "--api=" + api.URL, "--ws=ws" + strings.TrimPrefix(ws.URL, "http"), "a"},
			[]string{"BOREAS_TOKEN=wrong"}, strings.NewReader(""), io.Discard, stderr)
		stderr.Close()
	}()
	var got []string
	lines := bufio.NewScanner(told)
	for lines.Scan() {
		got = append(got, lines.Text())
		if strings.Contains(lines.Text(), "warning") {
			cancel()
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("after the interrupt, it ended with %v", err)
	}
	cancel()
	want := []string{
		"boreas: connecting",
		`boreas: connected, listening to ["a"]`,
		`boreas: warning: the server does not list this token on "a", so the token is not valid and no message will arrive ` +
			"(or the server requires no tokens, or --api is another server)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
