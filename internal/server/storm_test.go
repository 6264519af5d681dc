package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

const (
	// stormSessions is how many sessions lose their server. The environment variable STORM_SESSIONS
	// overrides it; `make soak` uses 15,000.
	stormSessions = 200

	// stormMessages is how many messages are published before, during and after the outage.
	stormMessages = 300

	stormURL = "STORM_URL" // environment variable of the process that runs the clients
)

// TestStorm shuts a server down with all its sessions, and starts another one on the same port and
// the same log. All clients reconnect, although the rate limit for connections is too low for them,
// and no client misses a message. The clients run in another process, so that each process needs
// descriptors for one side only.
// Clauses 8.4, 8.5, 8.7, 8.8.
func TestStorm(t *testing.T) {
	if url := os.Getenv(stormURL); url != "" {
		stormClients(t, url)
		return
	}
	sessions := stormSessions
	if s := os.Getenv("STORM_SESSIONS"); s != "" {
		sessions, _ = strconv.Atoi(s)
	}
	eng := memory.New(memory.Options{})
	defer eng.Close()
	cfg := testConfig(func(c *config.Config) {
		c.RequireAuth = false
		c.DrainTime = time.Second
		c.AcceptRate = max(sessions/2, 1)
	})
	first, err := Start(t.Context(), cfg, Options{Engine: kept{eng}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.WSPort = first.WSAddr().(*net.TCPAddr).Port

	clients := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStorm$", "-test.v", "-test.timeout=5m")
	clients.Env = append(os.Environ(), fmt.Sprintf("%s=ws://%s", stormURL, first.WSAddr()), fmt.Sprint("STORM_SESSIONS=", sessions))
	clients.Stderr = os.Stderr
	out, err := clients.StdoutPipe()
	if err == nil {
		err = clients.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	told := make(chan string)
	go func() {
		defer close(told)
		for lines.Scan() {
			told <- lines.Text()
		}
	}()
	await := func(want string) {
		t.Helper()
		for line := range told {
			if line == want {
				return
			}
			t.Log("clients:", line)
		}
		t.Fatalf("the clients ended without %q", want)
	}
	next := 0
	publish := func(upTo int) {
		for ; next < upTo; next++ {
			if _, err := eng.Publish(context.Background(), "news", engine.Message{Data: []byte(strconv.Itoa(next))}); err != nil {
				t.Error(err)
			}
		}
	}
	await("ready")
	publish(stormMessages / 3)
	start := time.Now()
	if err := first.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	publish(2 * stormMessages / 3) // while no client is connected
	second, err := Start(t.Context(), cfg, Options{Engine: kept{eng}})
	if err != nil {
		t.Fatal(err)
	}
	publish(stormMessages)
	await("all are back")
	t.Logf("%d sessions were back after %v, %d connections were told to come later", sessions, time.Since(start).Round(time.Millisecond), second.gate.count.tooFast.Load())
	for line := range told {
		t.Log("clients:", line)
	}
	if err := clients.Wait(); err != nil {
		t.Error(err)
	}
	if err := second.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// stormClients runs the clients. Each expects every message once and in order.
func stormClients(t *testing.T, url string) {
	n, _ := strconv.Atoi(os.Getenv("STORM_SESSIONS"))
	var ready, done sync.WaitGroup
	var recovered atomic.Int64
	ready.Add(n)
	for range n {
		done.Go(func() {
			var once sync.Once
			if err := stormClient(url, func() { once.Do(ready.Done) }, &recovered); err != nil {
				fmt.Println("a client:", err)
				t.Error(err)
			}
		})
	}
	ready.Wait()
	fmt.Println("ready")
	done.Wait()
	if got := recovered.Load(); got != int64(n) {
		t.Errorf("%d of %d were recovered", got, n)
	}
	fmt.Println("all are back")
}

func stormClient(url string, joined func(), recovered *atomic.Int64) error {
	c, err := client.Connect(client.ConnectOptions{URL: url, HandshakeTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer c.Close()
	sub, err := c.Subscribe(context.Background(), "news", client.SubscribeOptions{})
	if err != nil {
		return err
	}
	joined()
	next := 0
	for event, err := range sub.Events(context.Background()) {
		if err != nil {
			return fmt.Errorf("after %d messages: %w", next, err)
		}
		switch e := event.(type) {
		case *client.Joined:
			if e.Recovered {
				recovered.Add(1)
			}
		case *client.Message:
			if string(e.Data) != strconv.Itoa(next) {
				return fmt.Errorf("got message %s, want %d", e.Data, next)
			}
			if next++; next == stormMessages {
				return nil
			}
		}
	}
	return errors.Join(io.ErrUnexpectedEOF, c.Err())
}

// kept is an engine that stays open when a server closes it.
type kept struct{ engine.Engine }

func (kept) Close() error { return nil }
