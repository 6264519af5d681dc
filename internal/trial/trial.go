package trial

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// Options describe a trial. The zero value is a trial of [DefaultDuration] with the seed 0 and
// without other programs.
type Options struct {
	// Seed determines all random choices.
	Seed uint64

	// Duration is the minimum time for publishers and failures. A trial takes longer if too little
	// has happened, and some seconds more until all is quiet. 0 means [DefaultDuration].
	Duration time.Duration

	// Disk keeps the messages on disk, and runs the server in a child of this process, which is killed
	// now and then. The program calls [ServeChild] first in its main function.
	Disk bool

	// Cluster runs several servers that share their messages, and NATS servers that keep these, all in
	// children of this process. They are killed, suspended and cut off from each other. The program
	// calls [ServeChild] as with Disk.
	Cluster bool

	// Clocks lets the clocks of two servers of a cluster be wrong by an hour, in both directions.
	Clocks bool

	// Plant is a mistake to plant in what one subscriber received. ServerPlant is a mistake to plant in
	// what the server's engine delivers. They test whether the oracle finds them.
	Plant, ServerPlant oracle.Plant

	// Scripts are subscribers in other processes.
	Scripts []Script

	// Note, if not nil, is called with events, for a person who searches for a bug. It may be
	// called by several goroutines at once.
	Note func(text string)
}

// DefaultDuration is the default time for publishers and failures.
const DefaultDuration = 15 * time.Second

const (
	rawSubscribers     = 5
	goSubscribers      = 4
	classicSubscribers = 3

	// What must have happened before a trial ends, and how long to wait for it.
	enoughPublished = 200
	enoughLies      = 10
	enoughLimit     = 2 * time.Minute
)

// A Report is the result of a trial. The verdict's deliveries are by kind of subscriber: raw, go,
// classic, js, py.
type Report struct {
	oracle.Verdict

	// Counts has the numbers of failures and other events by kind.
	Counts oracle.Counts
}

// Add adds the result of another trial.
func (r *Report) Add(other Report) {
	r.Verdict.Add(other.Verdict)
	if r.Counts == nil {
		r.Counts = make(oracle.Counts)
	}
	for what, n := range other.Counts {
		r.Counts[what] += n
	}
}

// trial is a running trial.
type trial struct {
	// Immutable after subscribe.
	o      Options
	world  *world
	log    *oracle.Log
	raws   []*raw
	gos    []*goSubscriber
	olds   []*classic
	others []*script

	echoes  sync.WaitGroup // short tasks that end on their own
	echoing atomic.Int64   // how many of them are running
	dialed  atomic.Uint64  // connections with one of the offers

	mu sync.Mutex

	// Guarded by mu.
	recordings []*recording
	publishes  []oracle.Publish
	findings   []oracle.Finding
	counts     oracle.Counts
	users      map[string]string // the current user of each subscriber
	over       bool              // the trial has ended: record no more findings
}

// Run runs a trial. It returns an error if the trial could not be run. Findings are not an error.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Duration == 0 {
		o.Duration = DefaultDuration
	}
	t := &trial{o: o, log: oracle.NewLog(), counts: make(oracle.Counts), users: make(map[string]string)}
	var err error
	if t.world, err = newWorld(ctx, t.log, o); err != nil {
		return Report{}, err
	}
	err = t.run(ctx)
	err = errors.Join(err, t.world.end(ctx))
	if err != nil {
		for _, f := range t.findings { // they may be the cause
			err = errors.Join(err, errors.New(f.String()))
		}
		return Report{}, err
	}
	return t.judge(), nil
}

// run does everything up to the judgement.
func (t *trial) run(ctx context.Context) error {
	living, die := context.WithCancel(ctx)
	acting, cease := context.WithCancel(living)
	defer cease()
	var subscribers, actors sync.WaitGroup
	defer t.echoes.Wait() // after all goroutines that could start one have ended
	defer subscribers.Wait()
	defer die()
	actors.Go(func() {
		defer cease()
		pause(acting, t.o.Duration)
		limit, cancel := context.WithTimeout(acting, enoughLimit)
		defer cancel()
		t.until(limit, "enough to happen", t.enough)
	})
	if err := t.subscribe(living, acting, &subscribers); err != nil {
		return err
	}
	for i := range 3 {
		actors.Go(func() {
			name := fmt.Sprintf("classic-http-%d", i)
			t.publishClassic(acting, name, t.random(name))
		})
		actors.Go(func() {
			name := fmt.Sprintf("http-%d", i)
			t.publishHTTP(acting, name, t.random(name))
		})
	}
	actors.Go(func() { t.failures(acting, t.random("failures")) })
	actors.Go(func() { t.replacements(acting, t.random("restarts")) })
	if t.world.cluster != nil {
		actors.Go(func() { t.serverFailures(acting, t.random("NATS")) })
		actors.Go(func() { t.turns(acting, t.random("turns")) })
	}
	actors.Go(func() { t.floods(acting, t.random("floods")) })
	actors.Go(func() {
		if err := t.ghosts(acting, t.random("ghosts")); err != nil {
			t.unexpected("ghost", "", "%v", err)
		}
	})
	actors.Go(func() { t.doubles(acting, t.random("doubles")) })
	actors.Wait()
	// WaitGroup.Wait is not possible here, because reconnecting subscribers may still start tasks.
	t.until(ctx, "what ends by itself", func() bool { return t.echoing.Load() == 0 })
	if err := t.settle(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	for _, s := range t.others {
		s.input.Close() // the script then ends
	}
	return nil
}

// echo runs a short task that ends on its own.
func (t *trial) echo(do func()) {
	t.echoing.Add(1)
	t.echoes.Go(func() {
		defer t.echoing.Add(-1)
		do()
	})
}

// enough reports whether enough has happened. On a slow machine this can take longer than the
// duration.
func (t *trial) enough() bool {
	t.mu.Lock()
	published := len(t.publishes)
	t.mu.Unlock()
	if published < enoughPublished {
		return false
	}
	t.mu.Lock()
	all := slices.Clone(t.recordings)
	t.mu.Unlock()
	if p := t.o.Plant; p != oracle.PlantNothing && !slices.ContainsFunc(all, func(r *recording) bool { return r.fits(p) }) {
		return false
	}
	if t.o.ServerPlant != oracle.PlantNothing && t.o.ServerPlant != oracle.PlantGap && t.world.cluster == nil && t.world.lies.Load() < enoughLies*lieEvery {
		return false
	}
	missing := map[string]bool{"raw": true, "go": true, "classic": true} // kinds, and names of scripts
	for _, s := range t.o.Scripts {
		missing[s.Name] = true
	}
	for _, r := range all {
		if r.hasMessage() {
			delete(missing, kindOf(r.stream.Subscriber))
			delete(missing, r.stream.Subscriber)
		}
	}
	return len(missing) == 0
}

// kindOf returns the kind of a subscriber with the name.
func kindOf(subscriber string) string {
	kind, _, _ := strings.Cut(subscriber, "-")
	return kind
}

// subscribe starts the subscribers.
func (t *trial) subscribe(living, acting context.Context, running *sync.WaitGroup) error {
	for i := range rawSubscribers {
		name := fmt.Sprintf("raw-%d", i)
		s, err := t.newRaw(name, t.random(name))
		if err != nil {
			return err
		}
		t.raws = append(t.raws, s)
		running.Go(func() { s.run(living) })
	}
	for i := range goSubscribers {
		name := fmt.Sprintf("go-%d", i)
		s, err := t.newGoSubscriber(name, t.random(name))
		if err != nil {
			return err
		}
		t.gos = append(t.gos, s)
		running.Go(func() { s.run(living, acting) })
	}
	for i := range classicSubscribers {
		name := fmt.Sprintf("classic-%d", i)
		s, err := t.newClassic(name, t.random(name))
		if err != nil {
			return err
		}
		t.olds = append(t.olds, s)
		running.Go(func() { s.run(living) })
	}
	for _, script := range t.o.Scripts {
		s, err := t.newScript(living, script)
		if err != nil {
			return err
		}
		t.others = append(t.others, s)
		running.Go(s.run)
	}
	return nil
}

// is records the current user of a subscriber.
func (t *trial) is(subscriber, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[subscriber] = user
}

// judge returns the oracle's verdict.
func (t *trial) judge() Report {
	h := oracle.History{Log: t.log, Publishes: t.publishes}
	for _, r := range t.recordings {
		stream, roll := r.close(t.world.times)
		h.Streams, h.Rolls = append(h.Streams, stream), append(h.Rolls, roll)
	}
	if t.o.Plant != oracle.PlantNothing && !t.o.Plant.Spoil(h.Streams, t.random("plant")) {
		t.findings = append(t.findings, oracle.Finding{Kind: "not planted", Text: "nobody got two messages in a row"})
	}
	verdict := oracle.Judge(h)
	verdict.Findings = append(verdict.Findings, t.findings...)
	kinds := make(oracle.Counts)
	for subscriber, n := range verdict.To {
		kinds[kindOf(subscriber)] += n
	}
	verdict.To = kinds
	return Report{verdict, t.counts}
}

// random returns a random source for the name. It depends on the seed.
func (t *trial) random(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(t.o.Seed, h.Sum64()))
}

// unexpected records a finding.
func (t *trial) unexpected(who, channel, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.findings = append(t.findings, oracle.Finding{Subscriber: who, Channel: channel, Kind: "unexpected", Text: fmt.Sprintf(format, args...)})
	}
}

// count counts an event, and returns the new number.
func (t *trial) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
	return t.counts[what]
}

func (t *trial) note(format string, args ...any) {
	if t.o.Note != nil {
		t.o.Note(fmt.Sprintf(format, args...))
	}
}
