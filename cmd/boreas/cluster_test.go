package main

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// startNode starts a node of a cluster in its own process, which ends with the test.
func startNode(t *testing.T, args ...string) *served {
	t.Helper()
	cmd := exec.Command("boreas", append([]string{"serve", "--api-port=0", "--ws-port=0", "--drain-time=0"}, args...)...)
	cmd.Dir = t.TempDir()
	s, err := startServer(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return s
}

// cluster runs `boreas cluster`, and replaces the parts of its output that differ from run to run.
func runCluster(t *testing.T, args string) outcome {
	t.Helper()
	got := started{args: "cluster " + args}.run(t)
	for pattern, with := range map[string]string{
		`version [^,]+, since [-0-9T:Z]+`:                    "version V, since TIME",
		`\d+ entries, \d+ of (\d+) bytes, last sequence \d+`: "N entries, N of $1 bytes, last sequence N",
		`nats://127\.0\.0\.1:\d+`:                            "NATS",
		`"version":"[^"]*"`:                                  `"version":"V"`,
		`"since":"[^"]*"`:                                    `"since":"TIME"`,
		`"(messages|bytes|last_sequence)":\d+`:               `"$1":1`,
		`"clock_ahead_seconds":[-0-9.e]+`:                    `"clock_ahead_seconds":0`,
	} {
		for _, text := range []*string{&got.Stdout, &got.Stderr} {
			*text = regexp.MustCompile(pattern).ReplaceAllString(*text, with)
		}
	}
	return got
}

func TestCluster(t *testing.T) {
	servers := "--engine=" + natstest.URLs(natstest.Start(t))[0] + " --nats-replicas=1 --cluster-history=64MiB"
	const nothing = "BOREAS: there is no such stream: the first node of a cluster creates it"
	for _, c := range []struct {
		what, args string
		start      bool
		want       outcome
	}{
		{what: "without a node", args: "status", want: outcome{
			Exit:   exitFailed,
			Stderr: "boreas: 0 of 1 nodes are alive; " + nothing + "; BOREAS_AUTH: there is no such stream: the first node of a cluster creates it\n",
		}},
		{what: "no stream", args: "apply", want: outcome{Exit: exitFailed, Stderr: "boreas: " + nothing + "\n"}},
		{what: "with a node", start: true, args: "status --wait=1m", want: outcome{
			Stdout: `node    n1           version V, since TIME
stream  BOREAS       messages: N entries, N of 67108864 bytes, last sequence N
server  s1           leader
stream  BOREAS_AUTH  tokens, keys and revocations: N entries, N of 1073741824 bytes, last sequence N
server  s1           leader
limits  in force     history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1
`,
		}},
		{what: "too few nodes", args: "status --nodes=2 --json", want: outcome{
			Exit: exitFailed,
			Stdout: `{"ok":false,"problems":["1 of 2 nodes are alive"],"nodes":[{"name":"n1","version":"V","since":"TIME","clock_ahead_seconds":0}],` +
				`"streams":[{"name":"BOREAS","holds":"messages","messages":1,"bytes":1,"max_bytes":67108864,"last_sequence":1,"replicas":[{"server":"s1","state":"leader","behind":0}]},` +
				`{"name":"BOREAS_AUTH","holds":"tokens, keys and revocations","messages":1,"bytes":1,"max_bytes":1073741824,"last_sequence":1,"replicas":[{"server":"s1","state":"leader","behind":0}]}],` +
				`"limits":{"in_force":{"history_messages":10000,"history_age":"1d","cluster_history":67108864,"idempotency_window":"2m","nats_replicas":1},` +
				`"configured":{"history_messages":10000,"history_age":"1d","cluster_history":67108864,"idempotency_window":"2m","nats_replicas":1}}}` + "\n",
			Stderr: "boreas: 1 of 2 nodes are alive\n",
		}},
		{what: "same limits", args: "apply", want: outcome{
			Stdout: "limits  history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1\n",
			Stderr: "boreas: the cluster has these limits already, and nothing was changed\n",
		}},
		{what: "larger limits", args: "apply --history-age=2d", want: outcome{
			Stdout: `before  history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1
after   history_messages=10000 history_age=2d cluster_history=64MiB idempotency_window=2m nats_replicas=1
`,
		}},
		{what: "smaller limits", args: "apply", want: outcome{
			Exit: exitUsage,
			Stdout: `before  history_messages=10000 history_age=2d cluster_history=64MiB idempotency_window=2m nats_replicas=1
after   history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1
`,
			Stderr: "boreas: the history becomes shorter, so messages may be dropped now: give --yes to do it; nothing was changed\n",
		}},
		{what: "other limits", args: "status", want: outcome{
			Stdout: `node    n1           version V, since TIME
stream  BOREAS       messages: N entries, N of 67108864 bytes, last sequence N
server  s1           leader
stream  BOREAS_AUTH  tokens, keys and revocations: N entries, N of 1073741824 bytes, last sequence N
server  s1           leader
limits  in force     history_messages=10000 history_age=2d cluster_history=64MiB idempotency_window=2m nats_replicas=1
limits  configured   history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1; ` + "`boreas cluster apply`" + ` puts them in force
`,
		}},
		{what: "accepted", args: "apply --yes", want: outcome{
			Stdout: `before  history_messages=10000 history_age=2d cluster_history=64MiB idempotency_window=2m nats_replicas=1
after   history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1
`,
		}},
		{what: "too many replicas", args: "apply --nats-replicas=3", want: outcome{
			Exit: exitFailed,
			Stdout: `before  history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=1
after   history_messages=10000 history_age=1d cluster_history=64MiB idempotency_window=2m nats_replicas=3
`,
			Stderr: "boreas: change the limits: the stream BOREAS cannot have 3 replicas: start as many NATS servers with JetStream as one cluster, " +
				"or give nats_replicas=1, with which the loss of the server loses messages: nats: API error: code=500 err_code=10074 description=replicas > 1 not supported in non-clustered mode\n",
		}},
	} {
		if c.start {
			startNode(t, strings.Fields(servers+" --node=n1")...)
		}
		verb, rest, _ := strings.Cut(c.args, " ")
		got := runCluster(t, verb+" "+servers+" "+rest)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
		if strings.Contains(rest, "--json") && !json.Valid([]byte(got.Stdout)) {
			t.Errorf("%s: no JSON", c.what)
		}
	}
}

// TestClusterMistakes: errors name the remedy.
func TestClusterMistakes(t *testing.T) {
	for args, want := range map[string]outcome{
		"cluster":        {Exit: exitUsage, Stderr: "boreas: say what to do: boreas cluster status or apply\n"},
		"cluster stauts": {Exit: exitUsage, Stderr: "boreas: there is no command \"stauts\"; did you mean status?; see `boreas --help`\n"},
		"cluster status": {Exit: exitUsage, Stderr: "boreas: these options are of a server that is alone: give those of a node of the cluster, with engine=nats://HOSTS or cluster_peers\n"},
		"cluster status --engine=nats://127.0.0.1 --nodes=-1": {Exit: exitUsage, Stderr: "boreas: --nodes: want a number of nodes, not -1\n"},
	} {
		if diff := cmp.Diff(want, started{args: args}.run(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	got := started{
		args: "cluster status --data-dir=absent --cluster-peers=n1,n2,n3 --node=n1 --cluster-insecure",
		env:  []string{"BOREAS_CLUSTER_SECRET=0123456789abcdef"},
	}.run(t)
	want := outcome{Exit: exitFailed, Stderr: "boreas: no node runs with this directory: there is no file absent/nats/login.json: " +
		"run this on a machine with a running node of the cluster, with the configuration of that node\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
