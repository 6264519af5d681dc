package repotest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/format"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// This file builds and runs the Go code of docs/embedding.md.

const embeddingPage = "docs/embedding.md"

var goFence = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// goBlocks returns the Go code of docs/embedding.md: the complete programs, and the files of the
// other package.
func goBlocks(t *testing.T) (programs, library []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds programs, which takes seconds")
	}
	for _, match := range goFence.FindAllStringSubmatch(read(t, embeddingPage), -1) {
		code := match[1]
		formatted, err := format.Source([]byte(code))
		if err != nil {
			t.Fatalf("%s: %v in the block\n%s", embeddingPage, err, code)
		}
		if string(formatted) != code {
			t.Errorf("%s: gofmt would change the block\n%s", embeddingPage, code)
		}
		if strings.HasPrefix(code, "package main\n") {
			programs = append(programs, code)
		} else {
			library = append(library, code)
		}
	}
	if len(programs) != 3 || len(library) != 2 {
		t.Fatalf("%s has %d programs and %d other blocks of Go; this test knows 3 and 2", embeddingPage, len(programs), len(library))
	}
	return programs, library
}

// goTool runs a go command in the root folder, where this module provides the imports of files that
// lie elsewhere.
func goTool(t *testing.T, args ...string) {
	t.Helper()
	command := exec.Command("go", args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOPROXY=off")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

func writeFile(t *testing.T, dir, name, code string) (file string) {
	t.Helper()
	file = filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// runProgram builds and starts a program of the page. End sends it SIGTERM and expects exit code 0;
// a test calls it while its clients are connected. Otherwise the program ends with the test.
func runProgram(t *testing.T, code string, args ...string) (end func()) {
	t.Helper()
	dir := t.TempDir()
	file := writeFile(t, dir, "main.go", code)
	goTool(t, "vet", file)
	binary := filepath.Join(dir, "program")
	goTool(t, "build", "-o", binary, file)

	var output bytes.Buffer
	program := exec.Command(binary, args...)
	program.Stdout, program.Stderr = &output, &output
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		if err := program.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("SIGTERM: %v", err)
		}
		late := time.AfterFunc(20*time.Second, func() { program.Process.Kill() })
		defer late.Stop()
		if err := program.Wait(); err != nil {
			t.Errorf("the program did not exit with 0 after SIGTERM: %v", err)
		}
		if t.Failed() {
			t.Logf("output of the program:\n%s", output.Bytes())
		}
	})
	t.Cleanup(end)
	return end
}

// freeAddress returns an address of this machine on which a program can listen.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitPort waits until a program listens on the address.
func awaitPort(t *testing.T, address string) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal(err)
		}
	}
}

func connect(t *testing.T, address, token string) *client.Conn {
	t.Helper()
	c, err := client.Connect(client.ConnectOptions{URL: "ws://" + address + "/v2", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func subscribe(t *testing.T, c *client.Conn, channel string) *client.Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), channel, client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// nextMessage returns the data of the subscription's next message.
func nextMessage(t *testing.T, s *client.Subscription) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for event, err := range s.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := event.(*client.Message); ok {
			return string(m.Data)
		}
	}
	t.Fatal("the subscription has ended")
	return ""
}

func TestEmbeddingSmallestProgram(t *testing.T) {
	programs, _ := goBlocks(t)
	address := freeAddress(t)
	end := runProgram(t, programs[0], "-addr", address)
	awaitPort(t, address)

	c := connect(t, address, "")
	if got := nextMessage(t, subscribe(t, c, "clock")); !regexp.MustCompile(`^\{"time":"\d\d:\d\d:\d\d"\}$`).MatchString(got) {
		t.Errorf("received %s, which is not what the page shows", got)
	}
	_, err := c.Publish(t.Context(), "clock", 1, client.PublishOptions{})
	wantCode(t, err, "not_permitted")
	end()
}

func TestEmbeddingEventsAndAPI(t *testing.T) {
	programs, _ := goBlocks(t)
	address, backends := freeAddress(t), freeAddress(t)
	end := runProgram(t, programs[1], "-addr", address, "-api", backends)
	awaitPort(t, address)
	awaitPort(t, backends)

	backend, err := client.New(client.Options{API: "http://" + backends})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	token, err := backend.CreateToken(t.Context(), client.NewTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v2/events?channel=news", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token.Token)
	events, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Body.Close() })
	if events.StatusCode != http.StatusOK {
		t.Fatalf("the event stream has status %s", events.Status)
	}
	subscription := subscribe(t, connect(t, address, token.Token), "news")

	const message = `{"text":"hello"}`
	if _, err := backend.Publish(t.Context(), "news", json.RawMessage(message), client.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := nextMessage(t, subscription); got != message {
		t.Errorf("the WebSocket received %s", got)
	}
	lines := bufio.NewScanner(events.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), message) {
			end()
			return
		}
	}
	t.Errorf("the event stream has ended without the message: %v", lines.Err())
}

func TestEmbeddingOwnCheck(t *testing.T) {
	programs, _ := goBlocks(t)
	address := freeAddress(t)
	end := runProgram(t, programs[2], "-addr", address)
	awaitPort(t, address)

	ann := connect(t, address, "secret-of-ann")
	lobby := subscribe(t, ann, "chat.lobby")
	subscribe(t, ann, "user.ann")
	if _, err := ann.Publish(t.Context(), "chat.lobby", "hello", client.PublishOptions{}); err != nil {
		t.Error(err)
	}
	if got := nextMessage(t, lobby); got != `"hello"` {
		t.Errorf("received %s", got)
	}
	_, err := ann.Subscribe(t.Context(), "user.bob", client.SubscribeOptions{})
	wantCode(t, err, "not_permitted")

	for _, refused := range []struct{ token, code, message string }{
		{"unknown", "invalid_token", "Your login has ended: log in again."},
		{"locked", "internal", fault.Message(errors.New("the table of users is locked"))},
	} {
		c := wstest.Dial(t, "ws://"+address+"/v2")
		c.ReadUntil("hello")
		c.Send(map[string]any{"id": 1, "auth": map[string]string{"token": refused.token}})
		reply, err := c.NextMessage()
		c.Close()
		if err != nil || reply.Error == nil {
			t.Fatalf("with the token %q: %+v, %v", refused.token, reply, err)
		}
		if got := reply.Error; got.Code != refused.code || got.Message != refused.message {
			t.Errorf("with the token %q: %+v, want %+v", refused.token, got, refused)
		}
	}
	end()
}

func TestEmbeddingOwnEngine(t *testing.T) {
	_, library := goBlocks(t)
	dir := t.TempDir()
	goTool(t, "test", writeFile(t, dir, "engine.go", library[0]), writeFile(t, dir, "engine_test.go", library[1]))
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("got the error %v, want the code %s", err, code)
	}
}
