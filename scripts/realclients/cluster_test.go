//go:build unix

package realclients

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestClusterPage follows docs/cluster.md exactly, as TestQuickstart does with its page: it starts three
// nodes, kills one, starts it again, and ends all with an interrupt. It differs from a reader in these
// points:
//
//   - It runs a program that is built already, as `make cluster` would, with other ports and directories.
//   - The numbers of processes are the real ones.
//   - A command that only reads is repeated until its output matches. A publish is repeated if it was
//     refused during an election, as the page says.
func TestClusterPage(t *testing.T) {
	if err := build(); err != nil {
		t.Fatal(err)
	}
	w := &clusterWalk{t: t, binary: filepath.Join(binaries, "boreas"), dir: t.TempDir(), reading: reading{}}
	first := freePorts(t)
	w.environment = []string{"BIN=" + w.binary, "DIR=" + w.dir, fmt.Sprintf("FIRST_PORT=%d", first)}
	for _, s := range readPage(t, "../../docs/cluster.md") {
		t.Logf("cluster.md:%d: %c %s", s.line, s.kind, s.text)
		w.step(s)
	}
	w.subscriber.interrupt()
	w.subscriber.wait()
	for _, p := range []*process{w.again, w.all} {
		p.interrupt()
		if _, err := p.wait(); err != nil {
			t.Errorf("%s ends with %v", p.name, err)
		}
	}
	for i := range 3 {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", first+10*i)); err == nil {
			conn.Close()
			t.Errorf("n%d still runs", i+1)
		}
	}
}

// A clusterWalk is one run of the page about clusters.
type clusterWalk struct {
	t           *testing.T
	binary, dir string
	environment []string // of the script
	reading
	processes              []string // the numbers on the page, and the real ones
	all, again, subscriber *process
}

var processNumber = regexp.MustCompile(` process (\d+)$`)

// step does one step of the page.
func (w *clusterWalk) step(s step) {
	w.t.Helper()
	switch {
	case s.kind == ' ':
		w.prints(s, w.subscriber)
	case s.text == "make cluster":
		w.all = start(w.t, "scripts/cluster.sh", w.environment...)
		w.t.Cleanup(func() { // the nodes are not in the script's process group, so they would outlive it
			if w.all.cmd.ProcessState == nil {
				w.all.interrupt()
				w.all.wait()
			}
		})
		w.prints(s, w.all)
		go func() { // the nodes write more than anybody reads
			for range w.all.lines {
			}
		}()
	case strings.HasPrefix(s.text, "scripts/cluster.sh "):
		w.again = start(w.t, s.text, w.environment...)
		go func() {
			for range w.again.lines {
			}
		}()
	case strings.HasPrefix(s.text, "./boreas subscribe "):
		w.subscriber = start(w.t, w.real(s.text))
		w.prints(s, w.subscriber)
	default:
		w.command(s)
	}
}

// real returns a command of the page with the values of this run.
func (w *clusterWalk) real(command string) string {
	return w.of(strings.NewReplacer(append(w.processes, "./boreas ", w.binary+" ")...).Replace(command))
}

// prints compares the next lines of a process with the output on the page.
func (w *clusterWalk) prints(s step, p *process) {
	w.t.Helper()
	for _, want := range s.output {
		got := strings.ReplaceAll(p.line(), w.dir, "dist/cluster")
		was, is := processNumber.FindStringSubmatch(want), processNumber.FindStringSubmatch(got)
		if was != nil && is != nil {
			w.processes = append(w.processes, was[1], is[1])
			got = strings.TrimSuffix(got, is[1]) + was[1]
		}
		w.compare(s, want, got)
	}
}

func (w *clusterWalk) compare(s step, want, got string) {
	w.t.Helper()
	w.bind(want, got)
	if diff := cmp.Diff(w.of(want), got); diff != "" {
		w.t.Fatalf("cluster.md:%d: %s: differs from the page (-page +real):\n%s", s.line, s.text, diff)
	}
}

// command runs a command that exits by itself, and compares its output.
func (w *clusterWalk) command(s step) {
	w.t.Helper()
	want := strings.Join(s.output, "\n")
	repeated := false
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("sh", "-c", w.real(s.text))
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		got := strings.TrimSuffix(stdout.String(), "\n")
		if repeated {
			got = strings.Replace(got, `,"duplicate":true`, "", 1)
		}
		looksOnly := strings.HasPrefix(s.text, "curl ")
		refused := err != nil && strings.Contains(stderr.String(), "(cluster_unavailable)")
		if (looksOnly && (err != nil || got != want) || refused) && time.Now().Before(deadline) {
			repeated = refused
			continue
		}
		if err != nil {
			w.t.Fatalf("cluster.md:%d: %s: %v\n%s", s.line, s.text, err, &stderr)
		}
		w.compare(s, want, got)
		return
	}
}

// freePorts returns the first of the ports that the script needs. Nobody listens on any of them. The
// system gives ports from 32768 on to connections, so these are below.
func freePorts(t *testing.T) int {
	t.Helper()
	const lowest, some = 12000, 20000
	for range 100 {
		first := lowest + rand.IntN(some)
		var free []net.Listener
		var err error
		for i := 0; i < 23 && err == nil; i++ {
			var l net.Listener
			if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i)); err == nil {
				free = append(free, l)
			}
		}
		for _, l := range free {
			l.Close()
		}
		if err == nil {
			return first
		}
	}
	t.Fatal("no 23 ports in a row are free")
	return 0
}
