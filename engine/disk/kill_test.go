package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// The environment of the tests in this file.
const (
	killChild = "KILL_CHILD" // the directory of a child; its settings are in the next two
	killKeys  = "KILL_KEYS"  // whether the child's keys have an effect
	killTime  = "KILL_TIME"  // how long TestKill runs, such as 10m; by default for a few kills
)

const (
	killChannels   = 9
	killPublishers = 8
	killKept       = 200 // messages of a channel
)

// killSettings returns the settings of the child and of its parent. Segments are small. Without
// keys, they are sorted and compacted all the time.
func killSettings(keys bool) settings {
	o := Options{Messages: killKept, KeyWindow: -1, DiskFree: -1}
	if keys {
		o.KeyWindow = time.Hour
	}
	s := o.settings()
	s.segment, s.compactPeriod, s.compactRate = 32<<10, time.Millisecond, 0
	return s
}

// publishUntilKilled is the child. It writes a line before and after each message, with the channel,
// its offset if it is known, the key and the data. It never returns, unless something fails.
func publishUntilKilled(dir string) {
	e, _, err := open(dir, killSettings(os.Getenv(killKeys) != ""))
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var wg sync.WaitGroup
	for p := range killPublishers {
		wg.Go(func() {
			for i := 0; ; i++ {
				channel, name := fmt.Sprint("c", rand.IntN(killChannels)), fmt.Sprintf("%d.%d %d", os.Getpid(), p, i)
				data := name + " " + strings.Repeat("x", rand.IntN(300))
				key := strings.ReplaceAll(name, " ", ".")
				os.Stdout.WriteString(fmt.Sprintf("try %s 0 %s %s\n", channel, key, data)) //nolint:errcheck // the parent notices
				ack, err := e.Publish(context.Background(), channel, engine.Message{Data: []byte(data), Key: key})
				if err != nil || ack.Duplicate {
					fmt.Println("error", err, ack)
					return
				}
				os.Stdout.WriteString(fmt.Sprintf("ack %s %d %s %s\n", channel, ack.Position.Offset, key, data)) //nolint:errcheck // the parent notices
			}
		})
	}
	wg.Wait()
}

// killRound runs a child, kills it after some acknowledgements, and returns the messages that were
// not acknowledged.
func killRound(t *testing.T, w *witness, dir string, keys bool, acks int) (unsure []engine.Item, acked int) {
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), killChild+"="+dir)
	if keys {
		cmd.Env = append(cmd.Env, killKeys+"=1")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tried := map[string]engine.Item{}
	lines := bufio.NewScanner(out)
	for lines.Scan() { // all that it has written, also after it was killed
		parts := strings.SplitN(lines.Text(), " ", 5)
		if len(parts) < 5 || parts[0] == "error" {
			t.Errorf("%s: the child says: %s", w.what, lines.Text())
			continue
		}
		channel, key, data := parts[1], parts[3], parts[4]
		if parts[0] == "try" {
			w.sent[data] = true
			tried[key] = engine.Item{Channel: channel, Message: engine.Message{Data: []byte(data), Key: key}}
			continue
		}
		var offset uint64
		fmt.Sscan(parts[2], &offset)
		w.saw("published", channel, engine.Position{Epoch: w.epoch, Offset: offset}, data)
		delete(tried, key)
		if acked++; acked == acks {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Wait() //nolint:errcheck // it was killed
	for _, item := range tried {
		unsure = append(unsure, item)
	}
	return unsure, acked
}

// TestKill kills a process with a log again and again. Everything that it has acknowledged must be
// there, once, in order, at its offset, and a message that is repeated with its key is kept once.
func TestKill(t *testing.T) {
	rounds := 10
	var until time.Time
	if text := os.Getenv(killTime); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		rounds, until = 1<<30, time.Now().Add(d)
	}
	w := newWitness(t, "")
	dir := t.TempDir()
	e, _, err := open(dir, killSettings(true))
	if err != nil {
		t.Fatal(err)
	}
	w.epoch = e.epoch
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	var kills, acked, repeated int
	for ; kills < rounds && (until.IsZero() || time.Now().Before(until)) && !t.Failed(); kills++ {
		w.what = fmt.Sprintf("kill %d", kills)
		keys := r.IntN(2) == 0
		most := 400
		if kills%10 == 9 {
			most = 20_000 // long enough for many segments
		}
		unsure, n := killRound(t, w, dir, keys, 1+r.IntN(most))
		acked += n
		if r.IntN(3) == 0 && !keys {
			continue // the next child finds the log as this one left it
		}
		e, opened, err := open(dir, killSettings(keys))
		if err != nil {
			t.Fatalf("%s: %v", w.what, err)
		}
		if opened.Lost || opened.Epoch != w.epoch {
			t.Errorf("%s: %+v", w.what, opened)
		}
		w.check(e, killKept)
		if keys {
			for i := range unsure {
				w.again(e, &unsure[i])
				repeated++
			}
			w.check(e, killKept)
		}
		w.prune(e)
		if err := e.Close(); err != nil && !errors.Is(err, engine.ErrClosed) {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d messages were acknowledged and %d repeated", kills, acked, repeated)
}
