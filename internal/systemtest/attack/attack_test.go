package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// maxGrowth limits the growth of the heap, in bytes, during and after an attack, compared with the
// heap before all attacks. The histories and idempotency keys may take 16 MiB; the rest is for
// lists with a maximum length.
const maxGrowth = 48 << 20

// A group are attacks on one server.
type group struct {
	name    string
	open    bool                                 // the server has no key yet
	change  func(t testing.TB, c *config.Config) // changes the configuration; nil for no change
	attacks []attack
}

// An attack is a series of actions by one attacker or a crowd of attackers.
type attack struct {
	name string
	run  func(a *attacker) string // returns the outcome
	want string
}

var groups = []group{
	{name: "HTTP", attacks: overHTTP},
	{name: "addresses", attacks: byAddress},
	{name: "first day", open: true, attacks: onFirstDay},
	{name: "streams", attacks: onStreams},
	{name: "handshake", attacks: onHandshake},
	{name: "frames", attacks: byFrames},
	{name: "compression", attacks: byCompression},
	{name: "requests", attacks: byRequests},
	{name: "storms", attacks: byStorms},
	{name: "tokens", attacks: byTokens},
	{name: "JWT", attacks: byJWT},
	{name: "issuers", change: badIssuers, attacks: byIssuers},
	{name: "API", attacks: onAPI},
	{name: "bodies", attacks: byBodies},
}

// TestAttacks runs the attacks of all groups, one after another. Each must
// have the outcome in its row, without any effect on the bystanders, and leave nothing behind.
func TestAttacks(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "| on | attack | outcome | bystanders |\n| --- | --- | --- | --- |\n")
	number := 0
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			var change func(*config.Config)
			if g.change != nil {
				change = func(c *config.Config) { g.change(t, c) }
			}
			s := newSite(t, g.open, change)
			s.crowd = newBystanders(s)
			defer s.crowd.end()
			var calm time.Duration
			var quiet state
			t.Run("calm", func(*testing.T) { // in a subtest because each attack has one, which is a goroutine
				before := s.crowd.await(0)
				calm = s.crowd.median(before, s.crowd.await(40))
				quiet = s.measure()
			})
			for _, row := range g.attacks {
				number++
				a := &attacker{site: s, number: number}
				t.Run(row.name, func(t *testing.T) {
					a.TB = t
					said := s.suffer(t, a, row, calm, quiet)
					fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", g.name, row.name, strings.ReplaceAll(row.want, "|", "\\|"), said)
				})
			}
		})
	}
	t.Logf("%d attacks:\n%s", number, table.String())
	if *tableFile != "" {
		if err := os.WriteFile(*tableFile, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// suffer runs one attack, and returns the bystanders' rounds and slowdown.
func (s *site) suffer(t *testing.T, a *attacker, row attack, calm time.Duration, quiet state) string {
	from := s.crowd.await(0)
	got, held := func() (string, uint64) {
		defer a.leave()
		return row.run(a), heap() // while the attack's connections are open
	}()
	if held > quiet.heap+maxGrowth {
		t.Errorf("the attack holds %d MiB", (held-quiet.heap)>>20)
	}
	if got != row.want {
		t.Errorf("outcome\n\t%s\nwant\n\t%s", got, row.want)
	}
	to := s.crowd.await(3)
	if fault := s.crowd.noticed(); fault != "" {
		t.Fatalf("a bystander noticed: %s", fault)
	}
	s.awaitQuiet(t, quiet)
	return fmt.Sprintf("%d messages, %.1f times as slow", to-from, float64(s.crowd.median(from, to))/float64(calm))
}

// A state is a server's use of resources.
type state struct {
	goroutines, sockets, sessions int
	heap                          uint64
}

// sockets lists the descriptors that are sockets. The library keeps others, such as pipes to
// splice with.
func sockets() (list []string) {
	open, _ := filepath.Glob("/proc/self/fd/*")
	for _, name := range open {
		if target, _ := os.Readlink(name); strings.HasPrefix(target, "socket:") {
			list = append(list, target)
		}
	}
	return list
}

func (s *site) look() state {
	return state{goroutines: runtime.NumGoroutine(), sockets: len(sockets()), sessions: s.Server.Hub().Sessions()}
}

// measure returns the highest use of resources while there are only bystanders.
func (s *site) measure() state {
	var most state
	for range 20 {
		s.crowd.await(1)
		now := s.look()
		most.goroutines = max(most.goroutines, now.goroutines)
		most.sockets = max(most.sockets, now.sockets)
		most.sessions = max(most.sessions, now.sessions)
	}
	most.heap = heap()
	return most
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // sync.Pool frees its content at the second collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// awaitQuiet waits until nothing is left of an attack.
func (s *site) awaitQuiet(t *testing.T, quiet state) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		now := s.look()
		if now.goroutines <= quiet.goroutines && now.sockets <= quiet.sockets && now.sessions == quiet.sessions {
			break
		}
		if time.Now().After(deadline) || s.crowd.noticed() != "" {
			t.Fatalf("after the attack there are %+v, before it there were %+v:\n%s", now, quiet, s.left(now, quiet))
		}
		s.crowd.await(1)
	}
	if now := heap(); now > quiet.heap+maxGrowth {
		t.Errorf("the heap has %d MiB, before the attacks it had %d MiB", now>>20, quiet.heap>>20)
	}
}

// left lists what is possibly left of an attack.
func (s *site) left(now, quiet state) string {
	if now.goroutines > quiet.goroutines {
		stacks := make([]byte, 1<<20)
		return string(stacks[:runtime.Stack(stacks, true)])
	}
	return strings.Join(sockets(), "\n")
}
