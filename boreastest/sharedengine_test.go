package boreastest_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

var errLost = errors.New("the store has lost everything")

// plantVariable is the environment variable with the bug of the model in a child process.
const plantVariable = "SHARED_ENGINE_PLANT"

func TestSharedModelIsShared(t *testing.T) {
	boreastest.TestSharedEngine(t, func(*testing.T) boreastest.SharedStore {
		s := newModelStore(plant(os.Getenv(plantVariable)))
		return boreastest.SharedStore{
			Open: func(*testing.T) engine.Engine { return s.open() },
			Lose: func(*testing.T) { s.lose() },
		}
	})
}

// Each planted bug makes its rule fail. A child process runs the rules, because its tests fail.
func TestPlantedBugsFail(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rules := map[plant]string{
		plantLost:       "DeliveredAtAll",
		plantUnread:     "DeliveredAtAll",
		plantDoubled:    "DeliveredAtAll",
		plantReordered:  "OneOrder",
		plantPositions:  "DeliveredAtAll",
		plantEpochs:     "DeliveredAtAll",
		plantSender:     "DeliveredAtAll",
		plantOwn:        "OwnPublicationsAreRead",
		plantAhead:      "AcknowledgedIsNotAhead",
		plantHead:       "ReadsAreComplete",
		plantFollowHead: "FollowAcross",
		plantKeys:       "KeysAreShared",
		plantReused:     "KeysAreShared",
		plantBatch:      "Batches",
		plantForgetful:  "LaterNode",
		plantLaterKeys:  "LaterNode",
		plantClose:      "CloseLeavesOthers",
		plantContext:    "EndedContexts",
		plantNoReset:    "LosesStore",
		plantResetTwice: "LosesStore",
		plantOldEpoch:   "LosesStore",
		plantLimit:      "Alternating/ReadBytes",
		plantOldest:     "Alternating/ReadBefore",
		plantBefore:     "AcknowledgedIsNotAhead",
	}
	for bug, rule := range rules {
		t.Run(string(bug), func(t *testing.T) {
			child := exec.CommandContext(t.Context(), program, "-test.run=^TestSharedModelIsShared$/^"+strings.ReplaceAll(rule, "/", "$/^")+"$", "-test.timeout=1m")
			child.Env = append(os.Environ(), plantVariable+"="+string(bug))
			out, err := child.CombinedOutput()
			if failed := (*exec.ExitError)(nil); !errors.As(err, &failed) || !slices.Contains(failures(out), rule) {
				t.Errorf("%s does not fail (%v):\n%s", rule, err, out)
			}
		})
	}
}

// failures returns the rules that a test binary reports as failed.
func failures(out []byte) (rules []string) {
	for _, m := range regexp.MustCompile(`--- FAIL: TestSharedModelIsShared/(\S+)`).FindAllSubmatch(out, -1) {
		rules = append(rules, string(m[1]))
	}
	return rules
}
