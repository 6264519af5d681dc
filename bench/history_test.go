package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// apiOf starts an API with the given handler and returns its port.
func apiOf(t *testing.T, answer http.HandlerFunc) int {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestHistoryGetsAsManyMessagesOnEachChannel(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	port := apiOf(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Messages []struct {
				Channel string
				Message json.RawMessage
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, m := range body.Messages {
			got[fmt.Sprintf("%s, %d bytes", m.Channel, len(m.Message))]++
		}
	})
	want := map[string]int{}
	const channels = 333 // not a multiple of a batch
	for i := range channels {
		want[fmt.Sprintf("room-%d, 100 bytes", i)] = 3
	}
	if err := publishHistory(t.Context(), plan{channels: channels, kept: 3}, port); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHistoryStopsAtARefusal(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"result": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"results":[{"error":{}}]}`) },
	} {
		err := publishHistory(t.Context(), plan{channels: 10_000, kept: 10}, apiOf(t, answer))
		if err == nil || !strings.Contains(err.Error(), "POST") {
			t.Errorf("%s: error %v, want one that names the request", name, err)
		}
	}
}

func TestAMetricIsReadByItsWholeName(t *testing.T) {
	port := apiOf(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# TYPE kept gauge\nkept_bytes 7\nkept 3\n")
	})
	if got, err := metricOf(context.Background(), port, "kept"); got != 3 || err != nil {
		t.Errorf("%v, %v; want 3", got, err)
	}
	if _, err := metricOf(context.Background(), port, "absent"); err == nil {
		t.Error("a missing metric gave no error")
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	got, err := residentMemory(os.Getpid())
	if err != nil || got < 1<<20 || got > 1<<34 {
		t.Errorf("%v bytes, %v", got, err)
	}
}
