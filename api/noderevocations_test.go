package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// inCluster runs a test with three nodes.
func inCluster(t *testing.T, o api.Options, test func(t *testing.T, nodes []*clusterNode)) {
	synctest.Test(t, func(t *testing.T) { test(t, newCluster(t, o, "n1", "n2", "n3")) })
}

// subscribeAll opens a session with the token on each node.
func subscribeAll(t *testing.T, nodes []*clusterNode, token string) (all []*subscriber) {
	t.Helper()
	synctest.Wait() // until all nodes know the token
	for _, n := range nodes {
		all = append(all, n.subscribeWith(t, token))
	}
	return all
}

// allRevoked checks that no session has its token any more.
func allRevoked(t *testing.T, sessions []*subscriber) {
	t.Helper()
	synctest.Wait()
	for i, s := range sessions {
		if s.Grant() != nil {
			t.Errorf("session %d still has its token", i)
		}
	}
}

const threeNodes = `"nodes":{"answered":3,"silent":[]}}`

// Each kind of revocation applies to the sessions of all nodes, whichever node is asked for it.
func TestRevocationsOnAllNodes(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, body string
		want               string
	}{
		"user":             {"POST", "/v2/revocations", `{"user":"ann"}`, told(201, `{"sessions":3,`+threeNodes)},
		"token":            {"POST", "/v2/revocations", `{"token":"ID"}`, told(201, `{"sessions":3,`+threeNodes)},
		"all":              {"POST", "/v2/revocations", `{"issued_before":"2199-01-01T00:00:00Z"}`, told(201, `{"sessions":3,`+threeNodes)},
		"key":              {"POST", "/v2/revocations", `{"key":"KEY"}`, told(201, `{"sessions":3,"tokens":1,"changed":0,"keys":[],`+threeNodes)},
		"deleted token":    {"DELETE", "/v2/tokens/ID", "", told(200, `{"sessions":3,`+threeNodes)},
		"deleted key":      {"DELETE", "/v2/keys/KEY", "", told(200, `{"sessions":3,"tokens":1,"changed":0,"keys":[],`+threeNodes)},
		"on the old paths": {"DELETE", "/token/TEXT", "", "204\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 3 {
				inCluster(t, api.Options{}, func(t *testing.T, nodes []*clusterNode) {
					_, key := nodes[0].makeKey("k", auth.KeyTokens)
					text, made := nodes[0].makeToken(auth.Token{User: "ann", Key: key.ID})
					sessions := subscribeAll(t, nodes, text)
					bystander, _ := nodes[0].makeToken(auth.Token{User: "bob"})
					others := subscribeAll(t, nodes, bystander)
					admin, _ := nodes[0].makeKey("admin", auth.KeyTokens|auth.KeyAdmin)
					synctest.Wait()
					fill := strings.NewReplacer("ID", made.ID, "KEY", key.ID, "TEXT", text)
					want := test.want
					if name == "all" {
						want = strings.Replace(want, ":3,", ":6,", 1)
						sessions, others = append(sessions, others...), nil
					}
					got := nodes[i].do(test.method, fill.Replace(test.path), fill.Replace(test.body), "Authorization", "Bearer "+admin)
					if diff := cmp.Diff(want, strings.TrimSuffix(got, "\n")); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					allRevoked(t, sessions)
					for _, s := range others {
						if s.Grant() == nil {
							t.Error("a session with another token has lost its token")
						}
					}
				})
			}
		})
	}
}

// The sessions of all nodes get the grace, also on a node that did not answer, and a later revocation
// does not end it.
func TestGraceOnAllNodes(t *testing.T) {
	logger, log := testlog.New()
	inCluster(t, api.Options{Log: logger}, func(t *testing.T, nodes []*clusterNode) {
		text, _ := nodes[0].makeToken(auth.Token{User: "ann"})
		sessions := subscribeAll(t, nodes, text)
		nodes[2].silent = true
		want := told(201, `{"sessions":2,"nodes":{"answered":2,"silent":["n3"]}}`)
		if diff := cmp.Diff(want, nodes[0].ask("POST", "/v2/revocations", `{"user":"ann","grace":60}`)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		nodes[0].ask("POST", "/v2/revocations", `{"user":"bob"}`)
		time.Sleep(59 * time.Second)
		for i, s := range sessions {
			if s.Grant() == nil {
				t.Errorf("session %d has lost its token before the end of the grace", i)
			}
		}
		time.Sleep(2 * time.Second)
		allRevoked(t, sessions)
	})
	const by = ` by="nobody: the API needs no key" silent=n3` + "\n"
	want := `level=INFO msg="tokens were revoked" what="the tokens of a user" sessions=2 grace=1m0s` + by +
		`level=INFO msg="tokens were revoked" what="the tokens of a user" sessions=0 grace=0s` + by
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// A node that does not answer is named, and applies the revocation when it reads it.
func TestRevocationWithSilentNode(t *testing.T) {
	inCluster(t, api.Options{}, func(t *testing.T, nodes []*clusterNode) {
		text, made := nodes[0].makeToken(auth.Token{User: "ann"})
		sessions := subscribeAll(t, nodes, text)
		classic := nodes[0].mint()
		sessions = append(sessions, subscribeAll(t, nodes, classic)...)
		nodes[1].silent = true
		if diff := cmp.Diff(told(200, `{"sessions":2,"nodes":{"answered":2,"silent":["n2"]}}`), nodes[0].ask("DELETE", "/v2/tokens/"+made.ID, "")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("204\nBoreas-Silent-Nodes: n2\n\n", nodes[0].do("DELETE", "/token/"+classic, "")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		allRevoked(t, sessions)
	})
}

// A change of a token counts the sessions of all nodes.
func TestChangedTokenOnAllNodes(t *testing.T) {
	inCluster(t, api.Options{}, func(t *testing.T, nodes []*clusterNode) {
		text, made := nodes[0].makeToken(auth.Token{User: "ann"})
		sessions := subscribeAll(t, nodes, text)
		for i, body := range []string{`{"label":"x"}`, `{"rules":[{"channels":["a"],"allow":["join"]}]}`} {
			got := nodes[i].ask("PATCH", "/v2/tokens/"+made.ID, body)
			if !strings.HasPrefix(got, "200\n") || !strings.HasSuffix(got, `,"sessions":3,`+threeNodes) {
				t.Errorf("%s: got %s", body, got)
			}
		}
		for i, s := range sessions {
			if g := s.Grant(); g == nil || g.Permissions == nil {
				t.Errorf("session %d does not have the new rules", i)
			}
		}
	})
}

// If the store cannot be written to, the revocation is in force on one node only, and the answer says
// so.
func TestRevocationWithoutStore(t *testing.T) {
	inCluster(t, api.Options{}, func(t *testing.T, nodes []*clusterNode) {
		text, _ := nodes[0].makeToken(auth.Token{User: "ann"})
		sessions := subscribeAll(t, nodes, text)
		log := nodes[0].log
		log.goDown(errNoQuorum)
		got := nodes[0].ask("POST", "/v2/revocations", `{"user":"ann"}`)
		want := strings.TrimSuffix(failure(507, "not_stored", "The server cannot write to the store of tokens, keys and revocations: the server's log says why. "+
			"The revocation is in force, but a restart would lose it until it is stored. Sessions that ended or have a grace period: 1. "+
			"The other nodes of the cluster do not know the revocation before it is stored.", ""), "\n")
		if diff := cmp.Diff(strings.Replace(want, "\nX-", "\nRetry-After: 5\nX-", 1), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if sessions[0].Grant() != nil || sessions[1].Grant() == nil {
			t.Error("the revocation is not in force, or reached another node without the store")
		}
		log.goDown(nil)
		time.Sleep(time.Minute)
		allRevoked(t, sessions)
	})
}

// BenchmarkRevocationOnThreeNodes revokes the tokens of users with five sessions of 15,000 on three
// nodes.
func BenchmarkRevocationOnThreeNodes(b *testing.B) {
	const sessions = 15_000
	nodes := newCluster(b, api.Options{}, "n1", "n2", "n3")
	const each = 5
	for i := range sessions / each {
		text, _ := nodes[0].makeToken(auth.Token{User: fmt.Sprint("user", i)})
		for j := range each {
			n := nodes[(i+j)%len(nodes)]
			if _, err := n.authority.ApplyUpTo(b.Context(), nodes[0].authority.Position(), ""); err != nil {
				b.Fatal(err)
			}
			n.subscribeWith(b, text)
		}
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		body := fmt.Sprintf(`{"user":"user%d"}`, len(took)%(sessions/each))
		if got := nodes[len(took)%len(nodes)].do("POST", "/v2/revocations", body); !strings.HasPrefix(got, "201\n") {
			b.Fatal(got)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
