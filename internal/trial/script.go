package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// A Script is a subscriber in another process. It writes what it receives to its output; see
// scripts/realclients/trial.mjs.
type Script struct {
	// Name is the name of the subscriber.
	Name string

	// Command starts the subscriber. The trial adds the last argument: an object with url, api,
	// name, seed, channels and transport.
	Command []string

	// Transport is "websocket" or "sse". Over "sse" the subscriber cannot publish, and does not
	// learn its user name.
	Transport string
}

// Scripts returns the subscribers in other languages. root is the root of the repository, whose npm
// packages must be installed.
func Scripts(root string) []Script {
	dir := filepath.Join(root, "scripts", "realclients")
	node := []string{"node", filepath.Join(dir, "trial.mjs")}
	return []Script{
		{Name: "js-0", Command: node, Transport: "websocket"},
		{Name: "js-1", Command: node, Transport: "websocket"},
		{Name: "js-sse", Command: node, Transport: "sse"},
		{Name: "py-sse", Command: []string{"python3", "-B", filepath.Join(dir, "trial.py")}, Transport: "sse"},
	}
}

// script is a running Script.
type script struct {
	Script
	t     *trial
	proxy *faultproxy.Proxy
	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Reader
	err   strings.Builder
	quiet chan struct{} // closed when the script takes no more actions

	followers map[string]*follower
}

// line is one line of a script's output.
type line struct {
	Channel string          `json:"c"`
	Message json.RawMessage `json:"message"`
	Gap     *wstest.Gap     `json:"gap"`
	Left    bool            `json:"left"`
	Quiet   bool            `json:"quiet"`
	Trouble string          `json:"trouble"`
	Later   string          `json:"later"` // a refusal for now, after which the client asks again
	Note    string          `json:"note"`
	User    string          `json:"user"`

	Position string           `json:"position"`
	Presence *wstest.Presence `json:"presence"`
	Joined   *struct {
		Position  string `json:"position"`
		Recovered *bool  `json:"recovered"`
	} `json:"joined"`
	Ack *struct {
		Seq      uint64 `json:"n"`
		Position string `json:"position"`
	} `json:"ack"`
}

// newScript starts a script. The script is killed if it still runs when the context ends.
func (t *trial) newScript(ctx context.Context, of Script) (*script, error) {
	proxy, err := t.world.proxy()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range channels() {
		if of.Transport == "websocket" || !hasPresence(name) {
			names = append(names, name)
		}
	}
	options, err := json.Marshal(map[string]any{
		"url": "http://" + proxy.Addr(), "api": "http://" + t.world.api.Addr(), "name": of.Name,
		"seed": t.random(of.Name).Uint32(), "channels": names, "transport": of.Transport,
	})
	if err != nil {
		return nil, err
	}
	s := &script{Script: of, t: t, proxy: proxy, quiet: make(chan struct{}), followers: make(map[string]*follower)}
	command := append(append([]string(nil), of.Command...), string(options))
	s.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
	s.cmd.Stderr = &s.err
	if s.input, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.lines = bufio.NewReader(output)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", of.Name, err)
	}
	return s, nil
}

// run records the script's output until the script ends.
func (s *script) run() {
	var once sync.Once
	for {
		text, err := s.lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			s.t.unexpected(s.Name, "", "it says %.200q", text)
			continue
		}
		if l.Quiet {
			once.Do(func() { close(s.quiet) })
			continue
		}
		s.take(l)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.unexpected(s.Name, "", "it ended: %v: %s", err, s.err.String())
	}
	once.Do(func() { close(s.quiet) })
}

func (s *script) take(l line) {
	f := s.followers[l.Channel]
	switch {
	case l.Trouble != "":
		s.t.unexpected(s.Name, l.Channel, "%s", l.Trouble)
	case l.Later != "" && s.t.world.cluster != nil:
		s.t.note("%s: %s", s.Name, l.Later)
	case l.Later != "":
		s.t.unexpected(s.Name, l.Channel, "%s", l.Later)
	case l.Channel == "":
		if l.User != "" {
			s.t.is(s.Name, l.User)
		}
		if l.Note != "" {
			s.t.note("%s: %s", s.Name, l.Note)
		}
	case l.Ack != nil:
		m := s.t.newAuthor(s.Name)
		message := m.next(l.Channel)
		message.Seq = l.Ack.Seq
		m.note(message, true, l.Ack.Position)
	case l.Joined != nil:
		if f == nil {
			f = &follower{t: s.t, who: s.Name, channel: l.Channel, recording: s.t.newRecording(s.Name, l.Channel, false)}
			s.followers[l.Channel] = f
		}
		f.joins(l.Joined.Position, l.Joined.Recovered != nil, l.Joined.Recovered != nil && *l.Joined.Recovered)
	case f == nil:
		if !l.Left { // it left before it had joined
			s.t.unexpected(s.Name, l.Channel, "something came, and nothing is joined: %+v", l)
		}
	case l.Left:
		f.left()
		delete(s.followers, l.Channel)
	case l.Gap != nil:
		f.gaps(*l.Gap)
	case l.Presence != nil:
		f.called(presenceCall(l.Presence))
	default:
		f.gets(l.Message, l.Position)
	}
}

// hush tells the script to take no more actions, and waits until it has stopped.
func (s *script) hush(ctx context.Context) {
	if _, err := io.WriteString(s.input, "quiet\n"); err != nil {
		return // it has ended, which run records
	}
	select {
	case <-s.quiet:
	case <-ctx.Done():
		s.t.unexpected(s.Name, "", "it does not come to rest")
	}
}
