package clusterstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// TestSetReplicas: a cluster that grows gives its stream of tokens more replicas. The stream keeps its
// other settings, so a store opens it.
func TestSetReplicas(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	o := options("n1", servers...)
	if _, err := clusterstore.SetReplicas(t.Context(), o.Servers, 1); !errors.Is(err, clusterstore.ErrNoStream) {
		t.Errorf("without a stream: %v", err)
	}
	o.Replicas = 1
	a := openAuthority(t, o)
	for _, c := range []struct {
		replicas int
		changed  bool
		want     string // the beginning of the error
	}{
		{1, false, ""},
		{3, true, ""},
		{3, false, ""},
		{5, false, "give the stream BOREAS_AUTH 5 replicas: NATS refuses the request: "},
	} {
		changed, err := clusterstore.SetReplicas(t.Context(), o.Servers, c.replicas)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if changed != c.changed || (text == "") != (c.want == "") || !strings.HasPrefix(text, c.want) {
			t.Errorf("%d replicas: changed %v, %v", c.replicas, changed, err)
		}
	}
	if status, err := clusterstore.Describe(t.Context(), o.Servers); err != nil || status.Wanted != 3 {
		t.Errorf("%+v, %v", status, err)
	}
	token, err := a.Mint("")
	if err != nil {
		t.Fatal(err)
	}
	o.Replicas, o.Servers.Node = 3, "n2"
	if list, _ := openAuthority(t, o).Tokens("", "", 2); len(list) != 1 || token == "" {
		t.Errorf("another node has the tokens %+v", list)
	}
}
