package boreas_test

import (
	"context"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// sparseEnv makes inWorld use a sparse engine instead of the engine in memory.
const sparseEnv = "TEST_SPARSE_OFFSETS"

var sparseSuite = os.Getenv(sparseEnv) != ""

// offsetStep is the distance between offsets in the running suite.
var offsetStep = map[bool]uint64{false: 1, true: sparseStep}[sparseSuite]

// TestSparseOffsets runs the tests of the hub again, with an engine whose offsets are far apart.
// Offsets of a channel only increase, and no part of the hub may expect more.
func TestSparseOffsets(t *testing.T) {
	if sparseSuite {
		t.Skip("this is the suite with sparse offsets")
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.count=1", "-test.skip=^("+strings.Join(notSparse, "|")+")$")
	cmd.Env = append(os.Environ(), sparseEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("with sparse offsets: %v\n%s", err, out)
	}
}

// notSparse names tests that contain offsets which sparseLine does not find, and tests of memory,
// which do not depend on offsets and take long. The tests of its last line take long as well, and do
// not use the sparse engine: their hub has an engine of its own.
var notSparse = []string{
	"TestGrantExpires", "TestRevokeSessions", "TestLeaveAndEndDuringDelivery", "TestSlotsOnShutdown", "TestEchoStall",
	"TestStartOfAJoin", "TestUnrecoverablePositions", "TestLastOfAResumeNeedsHistory", "TestAllFormatsReceiveTheSame",
	"TestSessionsPublish", "TestSessionFormats", "TestPartlyWrittenLineStaysAsItBegan", "TestStalledReader",
	"TestBlockedReaderMissesNothing", "TestBusyChannelDoesNotDelayOthers", "TestEveryLineUnderStress",
	"TestLastInOneJoin",
	"TestMadeUpNames", "TestJoinedChannelsAreBounded", "TestSubscriptionsByName", "TestChannelBytesMatchesMemory", "TestMemoryLimitsHold",
	"TestPartlyWrittenPublicationIsNotCopied", "TestResetsAtRandom",
	"TestChaos", "TestStress", "TestPresenceAgainstAModel", "TestSparseIsAnEngine",
}

// sparseStep is the distance between offsets in the sparse suite.
const sparseStep = 7

// sparse is an engine in memory whose offsets are sparseStep apart.
type sparse struct{ engine.Engine }

// sparseNow reports whether the running test uses an engine of newMemory that is sparse.
var sparseNow bool

// newMemory returns an engine in memory, which is sparse in the sparse suite.
func newMemory(o memory.Options) engine.Engine {
	if !sparseSuite {
		return memory.New(o)
	}
	sparseNow = true
	return &sparse{memory.New(o)}
}

func wide(p engine.Position) engine.Position { p.Offset *= sparseStep; return p }

func widePublication(p *engine.Publication) *engine.Publication {
	w := *p
	w.Offset *= sparseStep
	return &w
}

func (e *sparse) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	ack, err := e.Engine.Publish(ctx, channel, m)
	ack.Position = wide(ack.Position)
	return ack, err
}

func (e *sparse) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	head, stop, err := e.Engine.Follow(ctx, channel, boreastest.DeliverFunc(func(p *engine.Publication) { to.Deliver(widePublication(p)) }))
	return wide(head), stop, err
}

func (e *sparse) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	bounds, _ := e.Engine.Read(ctx, channel, engine.Position{}, engine.Limit{})
	if since.Offset > wide(bounds.Head).Offset {
		since.Offset = bounds.Head.Offset + 1
	} else {
		since.Offset /= sparseStep // the last publication at or before since
	}
	switch {
	case limit.Before == math.MaxUint64:
	case limit.Before > wide(bounds.Head).Offset:
		limit.Before = bounds.Head.Offset + 1
	default:
		limit.Before = (limit.Before + sparseStep - 1) / sparseStep // the first publication at or after it
	}
	h, err := e.Engine.Read(ctx, channel, since, limit)
	for i, p := range h.Publications {
		h.Publications[i] = widePublication(p)
	}
	h.Floor, h.Head = wide(h.Floor), wide(h.Head)
	return h, err
}

// ListChannels implements [engine.Lister].
func (e *sparse) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return e.Engine.(engine.Lister).ListChannels(ctx, prefix, after, limit)
}

// Purge implements [engine.Purger].
func (e *sparse) Purge(ctx context.Context, channel string) (engine.Position, error) {
	at, err := e.Engine.(engine.Purger).Purge(ctx, channel)
	return wide(at), err
}

// CountAfter implements [engine.Counter].
func (e *sparse) CountAfter(channel string, since engine.Position) int {
	since.Offset /= sparseStep
	return e.Engine.(engine.Counter).CountAfter(channel, since)
}

// Published and MostPublished implement [engine.Counter].
func (e *sparse) Published(channel string) uint64 {
	return e.Engine.(engine.Counter).Published(channel)
}

func (e *sparse) MostPublished(prefix string, limit int) []engine.Published {
	return e.Engine.(engine.Counter).MostPublished(prefix, limit)
}

// Immediate implements [engine.Immediate]: the engine in memory is also immediate.
func (e *sparse) Immediate() bool { return true }

// sparseWords returns the text with each number multiplied by offsetStep.
func sparseWords(text string) string {
	return numbers.ReplaceAllStringFunc(text, func(n string) string {
		v, _ := strconv.Atoi(n)
		return strconv.Itoa(v * sparseStep)
	})
}

var numbers = regexp.MustCompile(`\d+`)

// offsetsInLine finds the offsets in a line of boreastest's text formats, and of joinLine.
var offsetsInLine = regexp.MustCompile(`^\S+ (\d+) |@(\d+)|gap \w+ (\d+)-(\d+)|oldest (\d+)`)

// sparseLines returns the expected lines of a test, with their offsets as the engine in use has
// them.
func sparseLines(lines []string) []string {
	var sparse []string
	for _, line := range lines {
		sparse = append(sparse, sparseLine(line))
	}
	return sparse
}

// sparseLine returns one expected line of a test, with its offsets as the engine in use has them.
func sparseLine(line string) string {
	if !sparseNow {
		return line
	}
	return offsetsInLine.ReplaceAllStringFunc(line, func(part string) string {
		if part[0] == '@' || strings.HasPrefix(part, "gap") || strings.HasPrefix(part, "oldest") {
			return sparseWords(part)
		}
		channel, offset, _ := strings.Cut(part, " ")
		return channel + " " + sparseWords(offset)
	})
}

func TestSparseIsAnEngine(t *testing.T) {
	boreastest.TestEngine(t, func(*testing.T) engine.Engine { return &sparse{memory.New(memory.Options{})} })
}

// Stats implements [engine.Stater].
func (e *sparse) Stats() engine.Stats { return e.Engine.(engine.Stater).Stats() }
