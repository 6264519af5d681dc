package composetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

// patience ends a test that hangs. No result depends on it.
const patience = 2 * time.Minute

// node is one of the three nodes, as a process of this machine.
type node struct {
	t        *testing.T
	program  string
	env      []string
	api, ws  string // URLs
	server   *process
	adminKey string
}

// nodes returns the three nodes of compose-cluster.yaml. They have the variables of their containers.
// Only what a container has of its own is different: addresses, ports and files.
func nodes(t *testing.T) (all []*node) {
	t.Helper()
	program := os.Getenv("TEST_BOREAS")
	if program == "" {
		t.Skip("TEST_BOREAS does not name the program: run `make compose-check`")
	}
	dir := t.TempDir()
	key := "bk_" + strings.Repeat("0123456789abcdef", 4)
	for name, text := range map[string]string{"admin.key": key, "cluster.secret": strings.Repeat("fedcba9876543210", 4)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	services := project(t, "compose-cluster.yaml").Services
	ports, err := testport.Hold(3 * len(services))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range ports {
			p.Release()
		}
	})
	names := []string{"n1", "n2", "n3"}
	var peers []string
	for i, name := range names {
		peers = append(peers, name+"="+ports[3*i].Addr())
	}
	for i, name := range names {
		env := environment(services[name])
		if env["BOREAS_CLUSTER_PEERS"] != strings.Join(names, ",") {
			t.Fatalf("the peers of %s are %s", name, env["BOREAS_CLUSTER_PEERS"])
		}
		// On all addresses another program could have the port: it is held on this one.
		env["BOREAS_API_HOST"], env["BOREAS_WS_HOST"] = "127.0.0.1", "127.0.0.1"
		env["BOREAS_CLUSTER_PEERS"] = strings.Join(peers, ",")
		env["BOREAS_API_PORT"] = fmt.Sprint(ports[3*i+1].Port)
		env["BOREAS_WS_PORT"] = fmt.Sprint(ports[3*i+2].Port)
		env["BOREAS_DATA_DIR"] = filepath.Join(dir, name)
		for variable, value := range env {
			env[variable] = strings.ReplaceAll(value, "/run/secrets", dir)
		}
		all = append(all, &node{
			t: t, program: program, env: list(env), adminKey: key,
			api: "http://" + ports[3*i+1].Addr(), ws: "ws://" + ports[3*i+2].Addr(),
		})
	}
	return all
}

// start starts the node.
func (n *node) start() { n.server = start(n.t, n.program, n.env) }

// awaitReady waits until the node is ready, as a container's check finds out.
func (n *node) awaitReady() {
	n.t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for late := time.Now().Add(patience); ; {
		resp, err := client.Get(n.api + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-n.server.ended:
			n.t.Fatalf("a node ended: %v\n%s", err, n.server.all())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(late) {
			n.t.Fatalf("a node is not ready: %v\n%s", err, n.server.all())
		}
	}
}

// run runs a command beside the node, and returns its output.
func (n *node) run(args ...string) string {
	n.t.Helper()
	out, err := n.try(args...)
	if err != nil {
		n.t.Fatalf("boreas %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (n *node) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program, args...)
	cmd.Env = append([]string{"BOREAS_API_KEY=" + n.adminKey}, n.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestCluster starts the three nodes, and publishes at one what a client of another receives. Then a
// node dies, and the others go on.
func TestCluster(t *testing.T) {
	all := nodes(t)
	for _, n := range all {
		n.start()
	}
	for _, n := range all {
		n.awaitReady()
		n.run("doctor", "--quick")
	}
	subscriber := start(t, all[2].program, []string{"BOREAS_API_KEY=" + all[2].adminKey}, "subscribe", "--api="+all[2].api, "--ws="+all[2].ws, "news")
	subscriber.await("connected")
	all[0].run("publish", "--api="+all[0].api, "--key=first", "news", `"from n1"`)
	subscriber.await(`"from n1"`)

	if err := all[1].server.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-all[1].server.ended
	all[0].run("publish", "--api="+all[0].api, "--key=second", "news", `"two are enough"`)
	subscriber.await(`"two are enough"`)

	all[1].start()
	all[1].awaitReady()
	all[1].run("publish", "--api="+all[1].api, "--key=third", "news", `"n2 is back"`)
	subscriber.await(`"n2 is back"`)
	all[0].run("cluster", "status", "--wait=1m")

	// All nodes have the same admin key, and its revocation reaches all of them.
	id := regexp.MustCompile(`key_\S+`).FindString(all[0].run("key", "list", "--api="+all[0].api))
	if other := all[2].run("key", "list", "--api="+all[2].api); id == "" || !strings.Contains(other, id) {
		t.Errorf("n1 has the key %s, and n3 has\n%s", id, other)
	}
	all[0].run("key", "revoke", "--api="+all[0].api, id)
	if out, err := all[2].try("publish", "--api="+all[2].api, "news", "1"); err == nil || !strings.Contains(out, id+") is revoked") {
		t.Errorf("n3 accepts the revoked key, or refuses it for another reason: %v\n%s", err, out)
	}
	for _, n := range all {
		if err := n.server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	for _, n := range all {
		select {
		case err := <-n.server.ended:
			if err != nil {
				t.Errorf("a node ended with %v\n%s", err, n.server.all())
			}
		case <-time.After(patience):
			t.Fatal("a node did not end after SIGTERM")
		}
	}
}

// process is a command that runs until the end of the test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	ended chan error
	seen  []string
}

func start(t *testing.T, program string, env []string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = env
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, lines: make(chan string, 10_000), ended: make(chan error, 1)}
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody waits for so many lines
			}
		}
		io.Copy(io.Discard, r)
	}()
	finished := make(chan struct{})
	go func() {
		err := cmd.Wait()
		w.Close()
		p.ended <- err
		close(finished)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-finished
	})
	return p
}

// await waits for a line that contains the text.
func (p *process) await(text string) {
	p.t.Helper()
	for late := time.After(patience); ; {
		select {
		case line := <-p.lines:
			p.seen = append(p.seen, line)
			if strings.Contains(line, text) {
				return
			}
		case err := <-p.ended:
			p.t.Fatalf("the process ended before it printed %s: %v\n%s", text, err, p.all())
		case <-late:
			p.t.Fatalf("the process did not print %s:\n%s", text, p.all())
		}
	}
}

// all returns the lines until now.
func (p *process) all() string {
	for {
		select {
		case line := <-p.lines:
			p.seen = append(p.seen, line)
		default:
			return strings.Join(p.seen, "\n")
		}
	}
}
