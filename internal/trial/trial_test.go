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

	"github.com/boreas-pubsub/boreas/internal/trial"
	"github.com/boreas-pubsub/boreas/internal/trial/oracle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	for i, f := range report.Findings {
		if i == 20 {
			t.Errorf("and %d more", len(report.Findings)-i)
			break
		}
		t.Error(f)
	}
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
	kinds := map[oracle.Plant]string{
		oracle.PlantDrop:   "lost",
		oracle.PlantRepeat: "repeated",
		oracle.PlantSwap:   "reordered",
	}
	for plant, kind := range kinds {
		for where, o := range map[string]trial.Options{
			"client": {Plant: plant},
			"server": {ServerPlant: plant},
		} {
			t.Run(where+" "+string(plant), func(t *testing.T) {
				t.Parallel()
				o.Duration = time.Second
				report := run(t, o)
				if !slices.ContainsFunc(report.Findings, func(f oracle.Finding) bool { return f.Kind == kind }) {
					t.Errorf("no finding of kind %s: %v", kind, report.Findings)
				}
			})
		}
	}
}
