package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clusterNodes is the number of nodes of a cluster. Each message is on all of them.
const clusterNodes = 3

// readyPatience bounds the wait until all nodes of a cluster are ready. An election can take 9 seconds.
const readyPatience = time.Minute

// A node is one server of a cluster, with its ports on 127.0.0.1.
type node struct{ ws, api, peer int }

// clusterContender is a cluster of servers with default settings, except for those given.
func clusterContender(name string, settings ...string) contender {
	return contender{
		name: name, dialect: "boreas-v2", nodes: clusterNodes, settings: settings,
		build: buildBoreas, nodeCommands: boreasNodes, admit: clusterTokens,
	}
}

// boreasNodes returns the commands of the nodes.
func boreasNodes(program, dir string, p ports, settings []string) ([][]string, error) {
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("0123456789abcdef", 2)+"\n"), 0o600); err != nil {
		return nil, err
	}
	var commands [][]string
	for i := range p.nodes {
		commands = append(commands, nodeCommand(program, dir, p, i, settings))
	}
	return commands, nil
}

// inShell returns a shell that runs the commands side by side and waits for them. So the processor time
// of its children is that of the cluster.
func inShell(commands [][]string) []string {
	var script strings.Builder
	for _, c := range commands {
		script.WriteString("'" + strings.Join(c, "' '") + "' & ")
	}
	return []string{"sh", "-c", script.String() + "wait"}
}

// nodeCommand starts the node with this index.
func nodeCommand(program, dir string, p ports, index int, settings []string) []string {
	var peers []string
	for i, n := range p.nodes {
		peers = append(peers, fmt.Sprintf("n%d=127.0.0.1:%d", i+1, n.peer))
	}
	name, n := "n"+strconv.Itoa(index+1), p.nodes[index]
	return append([]string{
		program, "--node=" + name, "--cluster_peers=" + strings.Join(peers, ","), "--cluster_secret=file:" + filepath.Join(dir, "secret"),
		"--data_dir=" + filepath.Join(dir, name), "--ws_port=" + strconv.Itoa(n.ws), "--api_port=" + strconv.Itoa(n.api), "--accept_rate=0",
	}, settings...)
}

// clusterTokens waits until all nodes are ready, and gets tokens.
func clusterTokens(ctx context.Context, w *workshop, p ports, dir string) (string, error) {
	if err := awaitNodes(ctx, p); err != nil {
		return "", err
	}
	return boreasTokens(ctx, w, p, dir)
}

// awaitNodes waits until all nodes of a cluster are ready.
func awaitNodes(ctx context.Context, p ports) error {
	for _, n := range p.nodes {
		if err := awaitReady(ctx, n.api); err != nil {
			return err
		}
	}
	return nil
}

// awaitReady waits until a server's /readyz says that it is ready.
func awaitReady(ctx context.Context, apiPort int) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", apiPort)
	for deadline := time.Now().Add(readyPatience); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answered %s", answer.Status)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s after %s: %w", url, readyPatience, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// subscribers returns the ports for subscribers, of all nodes.
func (p ports) subscribers() []int {
	list := []int{p.ws}
	for _, n := range p.nodes[min(1, len(p.nodes)):] {
		list = append(list, n.ws)
	}
	return list
}

// publishers returns the ports for publishers, of all nodes. The first one is that of the second
// node, so that a lone publisher and a lone subscriber use different nodes.
func (p ports) publishers() []int {
	list := []int{p.api}
	for _, n := range p.nodes[min(1, len(p.nodes)):] {
		list = append(list, n.api)
	}
	if len(list) > 1 {
		list[0], list[1] = list[1], list[0]
	}
	return list
}

// commas joins ports for the load generator.
func commas(ports []int) string {
	var list []string
	for _, port := range ports {
		list = append(list, strconv.Itoa(port))
	}
	return strings.Join(list, ",")
}

// nodePIDs returns the processes of a cluster's nodes, in the order of the nodes.
func (s *server) nodePIDs() ([]int, error) {
	name := fmt.Sprintf("/proc/%d/task/%d/children", s.pid(), s.pid())
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	if len(pids) != len(s.ports.nodes) {
		return nil, fmt.Errorf("%d of %d nodes run: %s", len(pids), len(s.ports.nodes), s.lastWords())
	}
	return pids, nil
}

// killLast kills the last node.
func (s *server) killLast() error {
	pids, err := s.nodePIDs()
	if err != nil {
		return err
	}
	return syscall.Kill(pids[len(pids)-1], syscall.SIGKILL)
}

// stoppedRounds is how often each node is stopped.
const stoppedRounds = 2

// suspend stops a process, and returns when all its threads have stopped. On a busy processor that can
// take milliseconds, in which the process still answers.
func suspend(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			return err
		}
		runs := slices.ContainsFunc(threads, func(path string) bool {
			text, err := os.ReadFile(path)
			_, state, _ := strings.Cut(string(text), ") ") // after the name; see proc_pid_stat(5)
			return err == nil && !strings.HasPrefix(state, "T")
		})
		if !runs {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// nameStopped stops each node in turn and asks another one for the sessions. It measures the time until
// the answer, which must name the stopped node.
func nameStopped(ctx context.Context, s *server, p plan, into *result) error {
	pids, err := s.nodePIDs()
	if err != nil {
		return err
	}
	for i := range len(pids) * stoppedRounds {
		stopped := i % len(pids)
		asked := s.ports.nodes[(stopped+1)%len(pids)].api
		var answer struct {
			Nodes struct{ Silent []string }
		}
		if err := suspend(ctx, pids[stopped]); err != nil {
			return err
		}
		began := time.Now()
		err := get(ctx, asked, "/v2/sessions?limit=1", &answer)
		took := time.Since(began)
		if err := errors.Join(err, syscall.Kill(pids[stopped], syscall.SIGCONT)); err != nil {
			return err
		}
		if name := "n" + strconv.Itoa(stopped+1); !slices.Contains(answer.Nodes.Silent, name) {
			into.faults["stopped nodes not named"]++
		} else if len(answer.Nodes.Silent) > 1 {
			into.faults["running nodes named"]++
		}
		into.add(map[string]float64{"silent_ms": milliseconds(took)}, "", p)
		if err := awaitNodes(ctx, s.ports); err != nil {
			return err
		}
	}
	return nil
}
