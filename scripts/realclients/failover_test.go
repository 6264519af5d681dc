//go:build unix

package realclients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// TestClientsLoseTheirNode: the clients for JavaScript and Python lose their node, which is killed, and
// go on at another one behind the same address. They miss nothing.
func TestClientsLoseTheirNode(t *testing.T) {
	program := builtServer(t)
	nats := natstest.Start(t).ClientURL()
	running := regexp.MustCompile(`api=(\S+) ws=(\S+)`)
	var nodes []*process
	var api, ws []string
	for i := range 2 {
		p := start(t, fmt.Sprintf("%s --engine %s --nats-replicas 1 --node n%d --api-port 0 --ws-port 0", program, nats, i+1))
		nodes = append(nodes, p)
		var ports []string
		for ports == nil {
			ports = running.FindStringSubmatch(p.line())
		}
		api, ws = append(api, "http://"+ports[1]), append(ws, ports[2])
		go func() { // the node writes more than anybody reads
			for range p.lines {
			}
		}()
	}
	balancer, err := faultproxy.New(ws[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(balancer.Close)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(post(t, api[1]+"/v2/tokens", `{"user":"u"}`)), &made); err != nil {
		t.Fatal(err)
	}
	readers := []*process{
		start(t, fmt.Sprintf("node scripts/realclients/reader.mjs ws://%s %s room", balancer.Addr(), made.Token)),
		start(t, fmt.Sprintf("python3 -B scripts/realclients/reader.py http://%s %s room", balancer.Addr(), made.Token)),
	}
	want := []string{"joined anew"}
	got := make([][]string, len(readers))
	take := func() {
		for i, r := range readers {
			for len(got[i]) < len(want) {
				got[i] = append(got[i], r.line())
			}
		}
	}
	publishMany := func(node int) {
		for range 20 {
			n := len(want)
			var ack struct{ Position string }
			if err := json.Unmarshal([]byte(post(t, api[node]+"/v2/channels/room/messages", fmt.Sprint(n))), &ack); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(ack.Position, " ", n))
		}
	}
	take()
	publishMany(0)
	take()
	balancer.SetBackend(ws[1])
	if err := syscall.Kill(nodes[0].cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	want = append(want, "joined true")
	publishMany(1)
	take()
	publishMany(1)
	take()
	for i, r := range readers {
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.name, diff)
		}
		r.stdin.Close()
		r.wait()
	}
	nodes[1].interrupt()
	nodes[1].wait()
}

// post sends a request that must succeed, and returns the answer.
func post(t *testing.T, url, body string) string {
	t.Helper()
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	r, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode > 299 {
		t.Fatalf("%s: %s %s %v", url, r.Status, answer, err)
	}
	return string(answer)
}
