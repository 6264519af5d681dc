package api_test

import (
	"context"
	"flag"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// historyBytes matches the only value that depends on the engine's estimate.
var historyBytes = regexp.MustCompile(`^boreas_history_bytes [1-9].*\n`)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

// TestMetrics triggers a little of everything and compares every line of our metrics.
func TestMetrics(t *testing.T) {
	r := newRig(t, boreas.Options{MaxSessions: 3, MaxChannels: 2}, api.Options{MaxBody: 20})
	r.subscribe(t, "")
	r.subscribe(t, "A", "ch1")
	s := r.subscribe(t, "B", "ch1", "ch2")
	if s.Join(context.Background(), []boreas.Join{{Channel: "ch3"}}, nil)[0].Err == nil {
		t.Fatal("joined more channels than allowed")
	}
	if _, err := r.hub.Reserve(netip.Addr{}); err == nil {
		t.Fatal("opened more sessions than allowed")
	}
	s.End(boreas.ErrSlow)
	<-s.finished
	r.do("POST", "/token/", "")
	r.do("DELETE", "/token/"+r.authority.All()[0], "")
	r.broadcast("/broadcast/ch9/", `{"payload": 1}`)
	r.broadcast("/broadcast/ch9/", `{"payload": [12]}`)
	r.broadcast("/broadcast/ch9/", `{"dryrun":true,"payload":1}`)     // too large
	r.do("POST", "/broadcast/ch9/", "", "Content-Type", "text/plain") // wrong type
	r.broadcast("/broadcast/ch9/", `[]`)                              // wrong body
	r.broadcast("/broadcast/%00/", `{"payload": 1}`)                  // wrong channel
	r.do("DELETE", "/token/nonsense", "")                             // no such token
	r.do("POST", "/token/", "", "Origin", "http://elsewhere.example") // wrong origin
	r.do("GET", "/nothing", "")                                       // no such path
	r.do("PUT", "/token/", "")                                        // no such method
	r.do("PUT", "/token/", "")
	r.do("POST", "/v2/channels/ch9/messages?dry_run=true", "1")
	r.do("POST", "/v2/channels/ch9/messages", "nonsense")
	r.do("GET", "/v2/nothing", "")
	last := r.subscribe(t, "C")
	r.do("DELETE", "/v2/sessions/"+last.ID(), "")
	<-last.finished

	r.mint()
	for _, user := range []string{"ann", "bob"} {
		if _, err := r.authority.Revoke(auth.Revocation{User: user}); err != nil {
			t.Fatal(err)
		}
	}
	r.makeKey("publishes", auth.KeyPublish)
	r.makeKey("publishes", auth.KeyPublish)
	key, _ := r.makeKey("watches", auth.KeyStats)
	r.do("POST", "/token/", "") // no key

	rec := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Authorization", "Bearer "+key)
	r.api.ServeHTTP(rec, req)
	var ours strings.Builder
	runtime := false
	for line := range strings.Lines(rec.Body.String()) {
		if strings.Contains(line, "boreas_") {
			ours.WriteString(historyBytes.ReplaceAllString(line, "boreas_history_bytes some\n"))
		}
		runtime = runtime || strings.HasPrefix(line, "go_goroutines ")
	}
	if !runtime {
		t.Error("there are no metrics of the Go runtime")
	}
	if *update {
		if err := os.WriteFile("testdata/metrics.txt", []byte(ours.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), ours.String()); diff != "" {
		t.Errorf("metrics differ from testdata/metrics.txt; if they should, run the test with -update (-want +got):\n%s", diff)
	}
	problems, err := promlint.New(strings.NewReader(rec.Body.String())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("Prometheus's conventions: %v %v", problems, err)
	}
}

func TestMetricsShowTheGivenRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "boreas_build_info", Help: "Version."},
		func() float64 { return 1 }))
	r := newRig(t, boreas.Options{}, api.Options{Registry: registry})
	if got := r.do("GET", "/metrics", ""); !strings.Contains(got, "\nboreas_build_info 1\n") {
		t.Errorf("the registry's own metric is missing in:\n%s", got)
	}
}
