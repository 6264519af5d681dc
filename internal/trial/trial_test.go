package trial_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/trial"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

func TestMain(m *testing.M) {
	trial.ServeChild()
	goleak.VerifyTestMain(m)
}

var (
	seed  = flag.Uint64("seed", uint64(time.Now().UnixNano()), "determines all random choices")
	notes = flag.Bool("notes", false, "log the events of the trial")
)

// run runs a trial and logs its result.
func run(t *testing.T, o trial.Options) trial.Report {
	t.Helper()
	o.Seed = *seed
	if *notes {
		o.Note = func(text string) { t.Log(time.Now().Format("05.000"), text) }
	}
	t.Logf("seed %d: repeat it with 'go test ./internal/trial -seed=%d -notes -v'", o.Seed, o.Seed)
	report, err := trial.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v\ngaps: %v\ndeliveries to: %v\n%v", report.Counts, report.Gaps, report.To, report.Verdict)
	return report
}

// clauses 4.4, 4.7, 4.8, 5.2, 5.3, 6.3, 8.8, 9.4
func TestOracle(t *testing.T) {
	t.Parallel()
	o := trial.Options{Duration: 12 * time.Second}
	if testing.Short() {
		o.Duration = 3 * time.Second
	}
	if scriptsRun(t) {
		o.Scripts = trial.Scripts("../..")
	}
	report := run(t, o)
	explained(t, report)
	arrived(t, report, o)
}

// TestOracleOnDisk kills a server that keeps its messages on disk. Nothing that it has acknowledged
// or delivered is lost, and all clients resume without a gap.
func TestOracleOnDisk(t *testing.T) {
	t.Parallel()
	o := trial.Options{Duration: 10 * time.Second, Disk: true}
	if testing.Short() {
		o.Duration = 3 * time.Second
	}
	if scriptsRun(t) {
		o.Scripts = trial.Scripts("../..")
	}
	report := run(t, o)
	explained(t, report)
	arrived(t, report, o)
	for _, reason := range []boreas.GapReason{boreas.GapExpired, boreas.GapAhead} {
		if n := report.Gaps[string(reason)]; n > 0 {
			t.Errorf("%d gaps with the reason %s, although the directory has all messages", n, reason)
		}
	}
}

// TestOracleCluster runs three servers on three NATS servers, and lets them fail. Nothing that was
// acknowledged is lost, whatever part of the servers was reachable, and clients resume at any node.
func TestOracleCluster(t *testing.T) {
	t.Parallel()
	o := trial.Options{Duration: 30 * time.Second, Cluster: true}
	if testing.Short() {
		o.Duration = 12 * time.Second
	}
	if scriptsRun(t) {
		o.Scripts = trial.Scripts("../..")
	}
	report := run(t, o)
	explained(t, report)
	arrived(t, report, o)
	for _, reason := range []boreas.GapReason{boreas.GapAhead, boreas.GapUnknownEpoch} {
		if n := report.Gaps[string(reason)]; n > 0 {
			t.Errorf("%d gaps with the reason %s, although the stream has lost nothing", n, reason)
		}
	}
}

// explained fails the test if the oracle has found anything.
func explained(t *testing.T, report trial.Report) {
	t.Helper()
	for i, f := range report.Findings {
		if i == 20 {
			t.Errorf("and %d more", len(report.Findings)-i)
			break
		}
		t.Error(f)
	}
}

// arrived fails the test if no subscriber of a kind has received anything.
func arrived(t *testing.T, report trial.Report, o trial.Options) {
	t.Helper()
	kinds := []string{"raw", "go", "classic"}
	if o.Scripts != nil {
		kinds = append(kinds, "js", "py")
	}
	for _, kind := range kinds {
		if report.To[kind] == 0 {
			t.Errorf("the subscribers of kind %s received nothing", kind)
		}
	}
}

// scriptsRun reports whether node, its package ws and python3 are installed. `make test` installs
// them.
func scriptsRun(t *testing.T) bool {
	t.Helper()
	_, noNode := exec.LookPath("node")
	_, noPython := exec.LookPath("python3")
	_, noPackage := os.Stat("../../scripts/realclients/node_modules/ws")
	err := errors.Join(noNode, noPython, noPackage)
	if err != nil && os.Getenv("TEST_REAL_CLIENTS") != "" {
		t.Fatalf("run scripts/setup.sh: %v", err)
	}
	return err == nil
}

// TestPlantedBugsAreFound: a mistake that is planted in a client or in the server's engine is found,
// and has the right kind.
func TestPlantedBugsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("each takes seconds")
	}
	t.Parallel()
	for plant, kind := range kinds {
		for where, o := range map[string]trial.Options{
			"client": {Plant: plant},
			"server": {ServerPlant: plant},
		} {
			if where == "client" && plant == oracle.PlantAck {
				continue
			}
			if plant == oracle.PlantGap {
				continue // a short trial with one server has no place for it; that of a cluster has
			}
			t.Run(where+" "+string(plant), func(t *testing.T) {
				t.Parallel()
				o.Duration = time.Second
				found(t, o, kind)
			})
		}
	}
}

// kinds are the findings for planted mistakes.
var kinds = map[oracle.Plant]string{
	oracle.PlantDrop:   "lost",
	oracle.PlantRepeat: "repeated",
	oracle.PlantSwap:   "reordered",
	oracle.PlantShift:  "never published",
	oracle.PlantGap:    "lost",
	oracle.PlantAck:    "not kept",
}

// found fails the test if the oracle does not find the mistake that is planted in a trial.
func found(t *testing.T, o trial.Options, kind string) {
	t.Helper()
	report := run(t, o)
	if !slices.ContainsFunc(report.Findings, func(f oracle.Finding) bool { return f.Kind == kind }) {
		t.Errorf("no finding of kind %s: %v", kind, report.Findings)
	}
}

// TestPlantedBugsAreFoundInCluster is TestPlantedBugsAreFound for the engines of a cluster's nodes. It
// takes a minute, and `make soak` runs it.
func TestPlantedBugsAreFoundInCluster(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
	for plant, kind := range kinds {
		t.Run(string(plant), func(t *testing.T) {
			found(t, trial.Options{Duration: 10 * time.Second, Cluster: true, ServerPlant: plant}, kind)
		})
	}
}

// TestClocks is TestOracleCluster with clocks that are wrong by an hour. It takes a minute, and `make
// soak` runs it.
func TestClocks(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
	explained(t, run(t, trial.Options{Duration: 30 * time.Second, Cluster: true, Clocks: true}))
}
