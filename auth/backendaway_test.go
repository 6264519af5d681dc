package auth_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// This file is about backends that cannot be reached, or are slow.

// together checks n tokens at once, and counts the outcomes.
func together(b *auth.Backend, n int, token func(int) string) map[string]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	outcomes := make(map[string]int)
	start := time.Now()
	for i := range n {
		wg.Go(func() {
			got := check(b, token(i))
			mu.Lock()
			defer mu.Unlock()
			outcomes[fmt.Sprint(time.Since(start), " ", got)]++
		})
	}
	wg.Wait()
	return outcomes
}

func different(prefix string) func(int) string {
	return func(i int) string { return fmt.Sprint(prefix, i) }
}

// TestBackendIsAskedOnce: a thousand connections with one token cause one request.
func TestBackendIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return says(200, `{"user":"u1"}`)(r)
		})
		b := newBackend(t, i, auth.BackendOptions{Concurrency: 1})
		got := together(b, 1000, func(int) string { return "token" })
		if diff := cmp.Diff(map[string]int{"1s user u1": 1000}, got); diff != "" || i.asked.Load() != 1 {
			t.Errorf("asked %d times (-want +got):\n%s", i.asked.Load(), diff)
		}
	})
}

var everybody = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}

// TestOneAddressDoesNotCrowdOutOthers: an address with hundreds of tokens only delays itself.
func TestOneAddressDoesNotCrowdOutOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return says(200, `{"user":"u1"}`)(r)
		})
		b := newBackend(t, i, auth.BackendOptions{Concurrency: 4, Timeout: 30 * time.Second})
		outcome := make(chan string)
		ask := func(token, address string) {
			start := time.Now()
			_, err := b.Check(access.Credentials{Token: token, Address: netip.MustParseAddr(address)})
			outcome <- fmt.Sprint(address, " ", time.Since(start), " ", err)
		}
		count := func(n int) map[string]int {
			got := map[string]int{}
			for range n {
				got[<-outcome]++
			}
			return got
		}
		for n := range 500 {
			go ask(fmt.Sprint("greedy-", n), fmt.Sprintf("2001:db8::%x", n))
		}
		synctest.Wait()
		for n := range 3 {
			go ask(fmt.Sprint("other-", n), fmt.Sprintf("192.0.2.%d", n))
		}
		refused, waited := 0, 0
		for text, n := range count(503) {
			switch {
			case strings.HasPrefix(text, "192.0.2."):
				if !strings.HasSuffix(text, " 2s <nil>") { // as soon as one of the four has ended
					t.Errorf("%d: %s", n, text)
				}
			case strings.HasSuffix(text, " 0s "+fault.AuthUnavailable.With("Too many tokens are waiting for the backend's answer.").Error()):
				refused += n
			case strings.HasSuffix(text, "<nil>"):
				waited += n
			default:
				t.Errorf("%d: %s", n, text)
			}
		}
		if waited != 68/5 || refused != 500-68/5 {
			t.Errorf("from one network, %d tokens were asked about and %d refused", waited, refused)
		}
	})
}

// TestBackendConcurrency: a limited number of requests run at once, and the others wait for their turn.
func TestBackendConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return says(200, `{"user":"u1"}`)(r)
		})
		b := newBackend(t, i, auth.BackendOptions{Concurrency: 2, Timeout: 2500 * time.Millisecond, Exempt: everybody})
		want := map[string]int{
			"0s " + crowded: 66, "1s user u1": 2, "2s user u1": 2,
			"3s user u1":      2, // they got their turn in time
			"2.5s " + crowded: 28,
		}
		if diff := cmp.Diff(want, together(b, 100, different("token"))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestBackendCircuit(t *testing.T) {
	for name, down := range map[string]func(*http.Request) (*http.Response, error){
		"refused": fails, "502": says(502, ""), "503": says(503, ""), "504": says(504, ""), "429": says(429, ""),
	} {
		synctest.Test(t, func(t *testing.T) {
			i := &network{}
			i.set(down)
			b := newBackend(t, i, auth.BackendOptions{})
			for n := range 5 {
				if got := check(b, fmt.Sprint("first", n)); got != away {
					t.Errorf("%s: got %q, want %q", name, got, away)
				}
			}
			for _, pause := range []int{1, 2, 4, 8, 16, 30, 30} {
				asked := i.asked.Load()
				if got := ready(b); !strings.Contains(got, fmt.Sprintf("and the server asks again in %ds: ", pause)) {
					t.Errorf("%s: ready returns %q, want a pause of %d s", name, got, pause)
				}
				time.Sleep(time.Duration(pause)*time.Second - time.Nanosecond)
				if got := check(b, "during"); got != broken || i.asked.Load() != asked {
					t.Errorf("%s: before %d s have passed: got %q, and %d requests to the backend", name, pause, got, i.asked.Load()-asked)
				}
				time.Sleep(time.Nanosecond)
				if got := ready(b); pause == 30 && got != "ready" {
					t.Errorf("%s: ready must allow another attempt: %q", name, got)
				}
				if got := check(b, "probe"); got != away || i.asked.Load() != asked+1 {
					t.Errorf("%s: after %d s: got %q, and %d requests to the backend", name, pause, got, i.asked.Load()-asked)
				}
			}
			i.set(says(200, `{"user":"u1"}`))
			time.Sleep(30 * time.Second)
			if got := check(b, "probe") + ", " + check(b, "next") + ", " + ready(b); got != "user u1, user u1, ready" {
				t.Errorf("%s: once the backend is reachable: %q", name, got)
			}
			i.set(down)
			for n := range 6 {
				check(b, fmt.Sprint("again", n))
			}
			if got := ready(b); !strings.Contains(got, "and the server asks again in 1s: ") {
				t.Errorf("%s: unreachable again: ready returns %q", name, got)
			}
		})
	}
}

// TestBackendProbe: after a break, one request is sent first.
func TestBackendProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return fails(nil)
		})
		b := newBackend(t, i, auth.BackendOptions{})
		// At most four of the waiting requests get a turn before the fifth failure is counted.
		got := together(b, 100, different("first"))
		if late := got["2s "+away]; got["1s "+away] != 64 || late > 4 || got["1s "+broken] != 36-late || i.asked.Load() != int64(64+late) {
			t.Errorf("the first 100: asked %d times, got %v", i.asked.Load(), got)
		}
		// All 64 failed, but they caused only one break of one second.
		i.set(hangs)
		time.Sleep(time.Second)
		asked := i.asked.Load()
		if diff := cmp.Diff(map[string]int{"0s " + broken: 99, "3s " + away: 1}, together(b, 100, different("second"))); diff != "" || i.asked.Load() != asked+1 {
			t.Errorf("after the break, %d requests to the backend (-want +got):\n%s", i.asked.Load()-asked, diff)
		}
	})
}

// TestBackendRedirects: the token is sent to no other server.
func TestBackendRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(func(r *http.Request) (*http.Response, error) {
			response, err := says(307, "")(r)
			response.Header.Set("Location", "https://backend.example/elsewhere")
			return response, err
		})
		b := newBackend(t, i, auth.BackendOptions{})
		for n := range 5 {
			if got := check(b, fmt.Sprint("token", n)); got != away || i.asked.Load() != int64(n+1) {
				t.Errorf("got %q, asked %d times, want %d", got, i.asked.Load(), n+1)
			}
		}
		want := ofBackend + "it did not answer 5 times in a row, and the server asks again in 1s: it redirects, and the server does not follow redirects"
		if diff := cmp.Diff(want, ready(b)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestBackendCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(hangs)
		b := newBackend(t, i, auth.BackendOptions{Concurrency: 1})
		done := make(chan map[string]int)
		go func() { done <- together(b, 2, different("token")) }()
		synctest.Wait()
		b.Close()
		want := map[string]int{"0s " + away: 1, "0s auth_unavailable: The server is shutting down.": 1}
		if diff := cmp.Diff(want, <-done); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestBackendLog: the log has the faults, at most one per second, and no secrets.
func TestBackendLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, log := testlog.New()
		i := &network{}
		i.set(says(500, `hunter2`))
		b := newBackend(t, i, auth.BackendOptions{Log: logger})
		for n := range 3 {
			check(b, fmt.Sprint("hunter2", n))
		}
		time.Sleep(time.Second)
		i.set(says(200, `{"user":"hunter2","hint":"hunter2"}`))
		check(b, "hunter2")
		const line = `level=WARN msg="the backend gave an invalid answer about a token" url=https://backend.example/check err=`
		want := line + "\"it answered 500: want 200, 401 or 403\" more_of_these=0\n" +
			line + "\"its answer has the unknown member \\\"hint\\\": the known ones are user, rules, ttl, info\" more_of_these=2\n"
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
