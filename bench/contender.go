package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A contender is a server to measure.
type contender struct {
	name    string
	dialect string // of the load generator; "" means the name
	store   string // not "" for a contender that is no server: the -store of the program in store/
	// build builds or finds the server's program and returns its path. An errMissing leaves its
	// column empty; any other error ends the run.
	build func(ctx context.Context, w *workshop) (string, error)
	// command returns the command line that starts the program. dir is an empty directory for it.
	command func(program, dir string, p ports) ([]string, error)
	keeps   bool // its messages survive a restart
	nodes   int  // of a cluster; 0 means one server
	// nodeCommands returns the commands that start the processes of a cluster, instead of command.
	nodeCommands func(program, dir string, p ports, settings []string) ([][]string, error)
	settings     []string // of the nodes of a cluster, which has no command
	deflate      bool     // its subscribers offer permessage-deflate
	// admit, if not nil, gets tokens from the running server.
	admit func(ctx context.Context, w *workshop, p ports, dir string) (tokenFile string, err error)
}

// ports are the ports for subscribers and publishers, on 127.0.0.1.
type ports struct {
	ws, api int    // of the first node of a cluster
	nodes   []node // of a cluster
}

// errMissing means that this machine does not have the contender.
type errMissing struct{ hint string }

func (e errMissing) Error() string { return e.hint }

func contenders() []contender {
	return []contender{
		{name: subject, build: buildBoreas, command: boreasCommand, admit: boreasTokens},
		{name: "boreas-v2", build: buildBoreas, command: boreasCommand, admit: boreasTokens},
		{name: "boreas-sse", build: buildBoreas, command: boreasCommand, admit: boreasTokens},
		{name: "boreas-open", dialect: "boreas-v2", build: buildBoreas, command: openCommand, admit: noTokens},
		{name: "boreas-opaque", dialect: "boreas-v2", build: buildBoreas, command: boreasCommand, admit: opaqueTokens},
		{name: "boreas-hs256", dialect: "boreas-v2", build: buildBoreas, command: jwtCommand("hs256"), admit: jwtTokens("HS256", hs256Signer)},
		{name: "boreas-es256", dialect: "boreas-v2", build: buildBoreas, command: jwtCommand("file"), admit: jwtTokens("ES256", es256Signer)},
		{name: "boreas-deflate", dialect: "boreas-v2", build: buildWithZlib, command: boreasCommand, deflate: true, admit: boreasTokens},
		{name: "boreas-tls", build: buildBoreas, command: tlsCommand, admit: boreasTokens},
		{name: "boreas-disk", dialect: "boreas-v2", build: buildBoreas, command: diskCommand("sync"), keeps: true, admit: boreasTokens},
		{name: "boreas-transient", dialect: "boreas-v2", build: buildBoreas, command: diskCommand("memory"), admit: boreasTokens},
		clusterContender("boreas-cluster"), clusterContender("boreas-relaxed", "--sync_interval=100ms"),
		storeContender("engine-disk", "disk"), storeContender("engine-sorted", "sorted"),
		storeContender("engine-memory", "memory"),
		storeContender("fdatasync", "sync"),
		storeContender("pebble", "pebble"),
		{name: "floor", build: buildFloor, command: floorCommand},
		{name: "nchan", build: findNchan, command: nchanCommand},
		{name: "centrifuge-redis", dialect: "centrifuge", nodes: clusterNodes, build: buildCentrifugeRedis, nodeCommands: centrifugeRedis},
		{name: "centrifuge", build: buildCentrifuge, command: centrifugeCommand},
	}
}

func contenderNames() []string {
	var names []string
	for _, c := range contenders() {
		names = append(names, c.name)
	}
	return names
}

// --- Boreas, with its default settings except one: all subscribers connect at once, which a server
// normally spreads ---

func buildBoreas(ctx context.Context, w *workshop) (string, error) {
	if w.options.server != "" {
		return filepath.Abs(w.options.server)
	}
	program := filepath.Join(w.dir, "boreas")
	if _, err := os.Stat(program); err == nil {
		return program, nil // built for another contender
	}
	return program, tool(ctx, "go", "build", "-C", "..", "-trimpath", "-o", program, "./cmd/boreas")
}

func boreasCommand(program, _ string, p ports) ([]string, error) {
	return []string{program, "--ws_port=" + strconv.Itoa(p.ws), "--api_port=" + strconv.Itoa(p.api), "--accept_rate=0"}, nil
}

// diskCommand starts a server with a directory, whose channels are durable as the word says.
func diskCommand(durable string) func(string, string, ports) ([]string, error) {
	return func(program, dir string, p ports) ([]string, error) {
		command, err := boreasCommand(program, dir, p)
		return append(command, "--data_dir="+filepath.Join(dir, "data"), "--durable="+durable), err
	}
}

func boreasTokens(ctx context.Context, w *workshop, p ports, dir string) (string, error) {
	var list strings.Builder
	for range w.options.tokens {
		token, err := newToken(ctx, p.api)
		if err != nil {
			return "", fmt.Errorf("get a token from boreas: %w", err)
		}
		list.WriteString(token + "\n")
	}
	file := filepath.Join(dir, "tokens")
	return file, os.WriteFile(file, []byte(list.String()), 0o600)
}

func newToken(ctx context.Context, apiPort int) (string, error) {
	url := fmt.Sprintf("http://127.0.0.1:%d/token/", apiPort)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return "", fmt.Errorf("POST %s answered %s: %w", url, answer.Status, err)
	}
	return body.Token, nil
}

// --- the floor: floor/floor.c ---

func buildFloor(ctx context.Context, w *workshop) (string, error) {
	program := filepath.Join(w.dir, "floor")
	return program, compile(ctx, program, "floor/floor.c")
}

func floorCommand(program, _ string, p ports) ([]string, error) {
	return []string{program, strconv.Itoa(p.ws)}, nil
}

// --- the server on the centrifuge library: centrifuge/main.go ---

func buildCentrifuge(ctx context.Context, w *workshop) (string, error) {
	program := filepath.Join(w.dir, "centrifuge")
	return program, tool(ctx, "go", "build", "-trimpath", "-o", program, "./centrifuge")
}

func centrifugeCommand(program, _ string, p ports) ([]string, error) {
	return []string{program, "127.0.0.1:" + strconv.Itoa(p.ws)}, nil
}

// --- three of them, with a Redis ---

func buildCentrifugeRedis(ctx context.Context, w *workshop) (string, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return "", errMissing{"redis-server is not installed; on Debian: apt-get install redis-server"}
	}
	return buildCentrifuge(ctx, w)
}

// centrifugeRedis starts a Redis that writes nothing to the disk, and the nodes.
func centrifugeRedis(program, _ string, p ports, _ []string) ([][]string, error) {
	redis := strconv.Itoa(p.nodes[0].peer)
	commands := [][]string{{"redis-server", "--bind", "127.0.0.1", "--port", redis, "--save", "", "--appendonly", "no"}}
	for _, n := range p.nodes {
		commands = append(commands, []string{program, "127.0.0.1:" + strconv.Itoa(n.ws), "127.0.0.1:" + redis})
	}
	return commands, nil
}

// --- building ---

func compile(ctx context.Context, program string, sources ...string) error {
	return tool(ctx, "cc", append([]string{"-O2", "-Wall", "-Wextra", "-o", program}, sources...)...)
}

// tool runs a build tool. If it fails, the error contains its output.
func tool(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	output, err := command.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed; on Debian: apt-get install gcc libc6-dev, and Go from go.dev/dl", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, output)
	}
	return nil
}
