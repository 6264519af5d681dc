package main

import (
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConnectionsUseAllNodes(t *testing.T) {
	one := ports{ws: 1, api: 2}
	three := ports{ws: 11, api: 12, nodes: []node{{11, 12, 13}, {21, 22, 23}, {31, 32, 33}}}
	got := []string{
		commas(one.subscribers()), commas(one.publishers()),
		commas(three.subscribers()), commas(three.publishers()),
	}
	// The first publisher is on another node than the first subscriber, and the last node, which a run
	// may kill, is the last of both.
	if diff := cmp.Diff([]string{"1", "2", "11,21,31", "22,12,32"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPortsOfAllNodesDiffer(t *testing.T) {
	seen := map[int]bool{}
	p, err := portsFor(contender{nodes: 3, admit: noTokens})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.nodes {
		seen[n.ws], seen[n.api], seen[n.peer] = true, true, true
	}
	if len(seen) != 9 || p.ws != p.nodes[0].ws || p.api != p.nodes[0].api {
		t.Errorf("ports %+v", p)
	}
	one, err := portsFor(contender{nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range one.nodes {
		if n.ws != n.api {
			t.Errorf("a server with one listener has the ports %d and %d", n.ws, n.api)
		}
	}
}

func TestOneShellRunsAllNodes(t *testing.T) {
	args := inShell([][]string{{"echo", "a b"}, {"echo", "$HOME"}})
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); got != "a b\n$HOME\n" && got != "$HOME\na b\n" {
		t.Errorf("the shell printed %q", got)
	}
}

func TestANodeKnowsItsNameAndAllOthers(t *testing.T) {
	p := ports{nodes: []node{{11, 12, 13}, {21, 22, 23}}}
	want := []string{
		"boreas", "--node=n2", "--cluster_peers=n1=127.0.0.1:13,n2=127.0.0.1:23", "--cluster_secret=file:dir/secret",
		"--data_dir=dir/n2", "--ws_port=21", "--api_port=22", "--accept_rate=0", "--sync_interval=1s",
	}
	if diff := cmp.Diff(want, nodeCommand("boreas", "dir", p, 1, []string{"--sync_interval=1s"})); diff != "" {
		t.Error(diff)
	}
}
