package oracle_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// message returns the message with the number, of the publisher "p" on the channel "c".
func message(seq uint64) oracle.Message {
	return oracle.Message{Channel: "c", Publisher: "p", Seq: seq}
}

// at parses a position: 1:7 is the offset 7 of the first life.
func at(t *testing.T, text string) engine.Position {
	t.Helper()
	var p engine.Position
	if _, err := fmt.Sscanf(text, "%d:%d", &p.Epoch, &p.Offset); err != nil {
		t.Fatalf("position %q: %v", text, err)
	}
	return p
}

// logOf returns a log of the channel "c". A publication is written as 1:7=3: the message 3 at the
// offset 7 of the first life.
func logOf(t *testing.T, text string) *oracle.Log {
	t.Helper()
	l := oracle.NewLog()
	l.Begin(1)
	l.Begin(2)
	for _, word := range strings.Fields(text) {
		position, number, _ := strings.Cut(word, "=")
		number, except, _ := strings.Cut(number, "!")
		var seq uint64
		if _, err := fmt.Sscan(number, &seq); err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		l.Append(at(t, position), message(seq), except)
	}
	return l
}

// streamOf returns a stream of events: "join 1:0", "resume 1:5", "join ? 1:0 1:3" (no position; the
// heads before and after the join), "got 3", "got 3 1:7", "gap slow 1:2 1:4", "lost", "left",
// "settled".
func streamOf(t *testing.T, subscriber, text string) *oracle.Stream {
	t.Helper()
	s := &oracle.Stream{Subscriber: subscriber, Channel: "c"}
	for text := range strings.SplitSeq(text, ",") {
		word := strings.Fields(text)
		e := oracle.Event{}
		switch word[0] {
		case "classic":
			s.Classic = true
			continue
		case "join", "resume":
			e.Kind, e.Resumed = oracle.Joined, word[0] == "resume"
			if word[1] != "?" {
				e.Position = at(t, word[1])
			}
			if len(word) > 2 {
				e.NotBefore, e.NotAfter = at(t, word[2]), at(t, word[3])
			}
		case "got":
			e.Kind = oracle.Got
			fmt.Sscan(word[1], &e.Message.Seq)
			e.Message = message(e.Message.Seq)
			if len(word) > 2 {
				e.Position = at(t, word[2])
			}
		case "gap":
			e.Kind = oracle.Missed
			e.Gap = boreas.Gap{Reason: boreas.GapReason(word[1]), From: at(t, word[2]), To: at(t, word[3])}
		case "lost":
			e.Kind = oracle.Lost
		case "left":
			e.Kind = oracle.Left
		case "settled":
			e.Kind = oracle.Settled
		default:
			t.Fatalf("event %q", text)
		}
		s.Add(e)
	}
	return s
}

// found is the short form of a verdict: the numbers, and the kinds of findings.
type found struct {
	Delivered, Reported, Needless int
	Kinds                         string
}

func brief(v oracle.Verdict) found {
	var kinds []string
	for _, f := range v.Findings {
		kinds = append(kinds, f.Kind)
	}
	return found{v.Delivered, v.Reported, v.Needless, strings.Join(kinds, ", ")}
}

// threeAndTwo is a log with a hole in its offsets, and with a second life.
const threeAndTwo = "1:1=1 1:2=2 1:5=3 2:1=4 2:2=5"

func TestJudgeStreams(t *testing.T) {
	for name, test := range map[string]struct {
		log, stream string
		want        found
	}{
		"all from the beginning":   {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1 1:1,got 2 1:2,got 3 1:5,settled", found{Delivered: 3}},
		"from the middle":          {"1:1=1 1:2=2 1:5=3", "join 1:1,got 2,got 3,settled", found{Delivered: 2}},
		"in a hole":                {"1:1=1 1:2=2 1:5=3", "join 1:4,got 3,settled", found{Delivered: 1}},
		"nothing at all":           {"", "join 1:0,settled", found{}},
		"the end has not come":     {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,settled", found{Delivered: 1, Kinds: "lost, lost"}},
		"the end was not awaited":  {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1", found{Delivered: 1}},
		"left before the end":      {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,left,settled", found{Delivered: 1}},
		"one lost":                 {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,got 3,settled", found{Delivered: 2, Kinds: "lost"}},
		"the first lost":           {"1:1=1 1:2=2 1:5=3", "join 1:0,got 2,got 3,settled", found{Delivered: 2, Kinds: "lost"}},
		"one repeated":             {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,got 1,got 2,got 3,settled", found{Delivered: 3, Kinds: "repeated"}},
		"an old one repeated":      {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,got 2,got 1,got 3,settled", found{Delivered: 3, Kinds: "repeated"}},
		"two swapped":              {"1:1=1 1:2=2 1:5=3", "join 1:0,got 2,got 1,got 3,settled", found{Delivered: 2, Kinds: "lost, reordered"}},
		"one from before the join": {"1:1=1 1:2=2 1:5=3", "join 1:2,got 1,got 3,settled", found{Delivered: 1, Kinds: "reordered"}},
		"one never published":      {"1:1=1", "join 1:0,got 1,got 9,settled", found{Delivered: 1, Kinds: "never published"}},
		"another's position":       {"1:1=1 1:2=2", "join 1:0,got 1 1:2,got 2,settled", found{Delivered: 1, Kinds: "never published, lost"}},
		"after leaving":            {"1:1=1 1:2=2", "join 1:0,got 1,left,got 2", found{Delivered: 1, Kinds: "not joined"}},
		"joined again":             {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,left,join 1:2,got 3,settled", found{Delivered: 2}},
		"an unknown epoch":         {"1:1=1", "join 7:0,settled", found{Kinds: "no such place"}},

		"resumed":                       {"1:1=1 1:2=2", "join 1:0,got 1,lost,resume 1:1,got 2,settled", found{Delivered: 2}},
		"resumed, no position told":     {"1:1=1 1:2=2", "join 1:0,got 1,lost,resume ?,got 2,settled", found{Delivered: 2}},
		"resumed too late":              {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,lost,resume 1:2,got 3,settled", found{Delivered: 2, Kinds: "wrong resume, lost"}},
		"resumed too early":             {"1:1=1 1:2=2", "join 1:0,got 1,got 2,lost,resume 1:1,got 2,settled", found{Delivered: 2, Kinds: "wrong resume, repeated"}},
		"claims to have resumed":        {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,lost,resume ?,got 3,settled", found{Delivered: 2, Kinds: "lost"}},
		"begins anew without a gap":     {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,lost,join 1:2,got 3,settled", found{Delivered: 2, Kinds: "lost"}},
		"begins anew, no position told": {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,lost,join ?,got 3,settled", found{Delivered: 2, Kinds: "lost"}},

		"a gap":                        {"1:1=1 1:2=2 1:5=3", "join 1:0,gap slow 1:0 1:2,got 3,settled", found{Delivered: 1, Reported: 2}},
		"a gap up to the end":          {"1:1=1 1:2=2", "join 1:0,got 1,lost,gap expired 1:1 1:2,resume 1:2,settled", found{Delivered: 1, Reported: 1}},
		"a gap that is too small":      {"1:1=1 1:2=2 1:5=3", "join 1:0,gap slow 1:0 1:1,got 3,settled", found{Delivered: 1, Reported: 1, Kinds: "lost"}},
		"a gap that begins late":       {"1:1=1 1:2=2 1:5=3", "join 1:0,gap slow 1:1 1:2,got 3,settled", found{Delivered: 1, Reported: 1, Kinds: "lost"}},
		"a gap over received messages": {"1:1=1 1:2=2 1:5=3", "join 1:0,got 1,gap slow 1:0 1:2,got 3,settled", found{Delivered: 2, Reported: 1, Kinds: "wrong gap"}},
		"a gap over later messages":    {"1:1=1 1:2=2 1:5=3", "join 1:0,gap slow 1:0 1:2,got 2,got 3,settled", found{Delivered: 1, Reported: 2, Kinds: "reordered"}},
		"a gap backwards":              {"1:1=1 1:2=2", "join 1:0,got 1,got 2,gap slow 1:2 1:1,settled", found{Delivered: 2, Kinds: "wrong gap"}},
		"an empty gap":                 {"1:1=1 1:2=2", "join 1:0,got 1,gap conflated 1:1 1:1,got 2,settled", found{Delivered: 2, Kinds: "wrong gap"}},
		"a gap with an unknown epoch":  {"1:1=1", "join 1:0,got 1,gap unknown_epoch 1:1 2:0,settled", found{Delivered: 1, Needless: 1}},
		"a gap after the last message": {"1:1=1", "join 1:0,got 1,gap expired 1:1 1:4,settled", found{Delivered: 1, Kinds: "wrong gap"}},
		"a gap in an unknown life":     {"1:1=1", "join 1:0,gap expired 9:1 1:1,settled", found{Kinds: "no such place, lost"}},
		"a gap without a join":         {"1:1=1", "gap expired 1:0 1:1", found{Kinds: "not joined"}},

		"into the next life": {threeAndTwo, "join 1:1,got 2,lost,gap unknown_epoch 1:2 2:1,resume 2:1,got 5,settled", found{Delivered: 2, Reported: 2}},
		"into the next life without a gap": {
			threeAndTwo, "join 1:1,got 2,lost,resume 2:1,got 5,settled",
			found{Delivered: 2, Kinds: "wrong resume, lost, lost"},
		},
		"a wrong reason":       {threeAndTwo, "join 1:5,gap expired 1:5 2:1,got 5,settled", found{Delivered: 1, Reported: 1, Kinds: "wrong gap"}},
		"another wrong reason": {threeAndTwo, "join 1:2,gap unknown_epoch 1:2 1:5,got 4,got 5,settled", found{Delivered: 2, Reported: 1, Kinds: "wrong gap"}},
		"published in both lives": {
			"1:1=1 2:1=1", "join 1:0,got 1,gap unknown_epoch 1:1 2:0,got 1,settled",
			found{Delivered: 2, Needless: 1},
		},

		"between the heads":          {"1:1=1 1:2=2 1:5=3", "join 1:1 1:1 1:2,got 2,got 3,settled", found{Delivered: 2}},
		"later than the heads":       {"1:1=1 1:2=2 1:5=3", "join 1:5 1:1 1:2,settled", found{Kinds: "joined too late"}},
		"earlier than the heads":     {"1:1=1 1:2=2 1:5=3", "join 1:0 1:1 1:2,got 1,got 2,got 3,settled", found{Delivered: 3, Kinds: "joined too early"}},
		"not told, between":          {"1:1=1 1:2=2 1:5=3", "join ? 1:0 1:2,got 2,got 3,settled", found{Delivered: 2}},
		"not told, too late":         {"1:1=1 1:2=2 1:5=3", "join ? 1:0 1:1,got 3,settled", found{Delivered: 1, Kinds: "lost"}},
		"not told, nothing has come": {"1:1=1 1:2=2 1:5=3", "join ? 1:0 1:2,settled", found{Kinds: "lost"}},
		"not told, then a gap":       {"1:1=1 1:2=2 1:5=3", "join ? 1:0 1:1,gap slow 1:1 1:2,got 3,settled", found{Delivered: 1, Reported: 1}},

		"a classic one is closed":     {"1:1=1 1:2=2 1:5=3", "classic,join ? 1:0 1:0,got 1,lost,join ? 1:2 1:2,got 3,settled", found{Delivered: 2}},
		"a classic one loses in life": {"1:1=1 1:2=2 1:5=3", "classic,join ? 1:0 1:0,got 1,got 3,settled", found{Delivered: 2, Kinds: "lost"}},
		"a classic one after its end": {"1:1=1 1:2=2", "classic,join ? 1:0 1:0,got 1,lost,got 2", found{Delivered: 1, Kinds: "not joined"}},

		"its own, left out":  {"1:1=1 1:2=2!me 1:5=3", "join 1:0,got 1,got 3,settled", found{Delivered: 2}},
		"its own, delivered": {"1:1=1 1:2=2!me 1:5=3", "join 1:0,got 1,got 2,got 3,settled", found{Delivered: 3}},
		"another's own":      {"1:1=1 1:2=2!you 1:5=3", "join 1:0,got 1,got 3,settled", found{Delivered: 2, Kinds: "lost"}},

		"resumed after its own":   {"1:1=1 1:2=2!me 1:5=3", "join 1:0,got 1,lost,resume 1:2,got 3,settled", found{Delivered: 2}},
		"resumed after another's": {"1:1=1 1:2=2!you 1:5=3", "join 1:0,got 1,lost,resume 1:2,got 3,settled", found{Delivered: 2, Kinds: "wrong resume, lost"}},
		"resumed after one more":  {"1:1=1 1:2=2!me 1:5=3", "join 1:0,got 1,lost,resume 1:5,settled", found{Delivered: 1, Kinds: "wrong resume, lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := oracle.History{Log: logOf(t, test.log), Streams: []*oracle.Stream{streamOf(t, "me", test.stream)}}
			v := oracle.Judge(h)
			if diff := cmp.Diff(test.want, brief(v)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s\n%v", diff, v.Findings)
			}
		})
	}
}

func TestJudgePublishes(t *testing.T) {
	for name, test := range map[string]struct {
		log  string
		acks string // such as 3@1:7, 3 without a position, 3? for a message that was not acknowledged
		want found
	}{
		"as told":                         {"1:1=1 1:2=2", "1@1:1 2@1:2", found{}},
		"without positions":               {"1:1=1 1:2=2", "1 2", found{}},
		"unacknowledged, in the log":      {"1:1=1", "1?", found{}},
		"unacknowledged, not in the log":  {"", "1?", found{}},
		"acknowledged, not in the log":    {"1:1=1", "1 2", found{Kinds: "not kept"}},
		"at another position":             {"1:1=1 1:2=2", "1@1:2 2@1:2", found{Kinds: "not kept"}},
		"twice in one life":               {"1:1=1 1:2=1", "1@1:1", found{Kinds: "published twice"}},
		"twice, unacknowledged":           {"1:1=1 1:2=1", "1?", found{Kinds: "published twice"}},
		"once in each life":               {"1:1=1 2:1=1", "1@2:1", found{}},
		"out of order":                    {"1:1=2 1:2=1", "1 2", found{Kinds: "kept out of order"}},
		"out of order in different lives": {"1:1=1 2:1=2", "1 2", found{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := oracle.History{Log: logOf(t, test.log)}
			acked, maybe := 0, 0
			for word := range strings.FieldsSeq(test.acks) {
				number, position, told := strings.Cut(word, "@")
				number, unsure := strings.CutSuffix(number, "?")
				var p oracle.Publish
				fmt.Sscan(number, &p.Message.Seq)
				p.Message, p.Acked = message(p.Message.Seq), !unsure
				if told {
					p.Position = at(t, position)
				}
				if unsure {
					maybe++
				} else {
					acked++
				}
				h.Publishes = append(h.Publishes, p)
			}
			v := oracle.Judge(h)
			if diff := cmp.Diff(test.want, brief(v)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s\n%v", diff, v.Findings)
			}
			if v.Acked != acked || v.Maybe != maybe {
				t.Errorf("counted %d acknowledged and %d not, want %d and %d", v.Acked, v.Maybe, acked, maybe)
			}
		})
	}
}

// TestPlantsAreFound: a planted fault is found in whichever message it is.
func TestPlantsAreFound(t *testing.T) {
	for _, plant := range []oracle.Plant{oracle.PlantDrop, oracle.PlantRepeat, oracle.PlantSwap} {
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(seed, 0))
			streams := []*oracle.Stream{
				streamOf(t, "a", "join 1:0,got 1,got 2,got 3,lost,gap unknown_epoch 1:5 2:1,got 5"),
				streamOf(t, "b", "join ? 1:0 1:1,got 2,got 3"),
				streamOf(t, "c", "classic,join ? 1:0 1:0,got 1,got 2,lost"),
			}
			if !plant.Spoil(streams, r) {
				t.Fatal("Spoil found no consecutive messages")
			}
			v := oracle.Judge(oracle.History{Log: logOf(t, threeAndTwo), Streams: streams})
			if len(v.Findings) == 0 {
				t.Errorf("%s with seed %d was not found: %v", plant, seed, streams)
			}
		}
	}
	for plant, text := range map[oracle.Plant]string{
		oracle.PlantGap:   "join 1:0,gap expired 1:0 1:1,got 2 1:2,got 3 1:5",
		oracle.PlantShift: "join 1:0,got 1 1:1,lost",
	} {
		streams := []*oracle.Stream{streamOf(t, "a", text)}
		if v := oracle.Judge(oracle.History{Log: logOf(t, threeAndTwo), Streams: streams}); len(v.Findings) > 0 {
			t.Errorf("%s: found %v before anything was planted", plant, v.Findings)
		}
		planted := plant.Spoil(streams, rand.New(rand.NewPCG(0, 0)))
		if v := oracle.Judge(oracle.History{Log: logOf(t, threeAndTwo), Streams: streams}); !planted || len(v.Findings) == 0 {
			t.Errorf("%s was not found: planted %v, %v", plant, planted, streams)
		}
	}
	if oracle.PlantDrop.Spoil([]*oracle.Stream{streamOf(t, "a", "join 1:0,got 1,lost,got 2")}, rand.New(rand.NewPCG(0, 0))) {
		t.Error("Spoil returned true without consecutive messages")
	}
	if _, err := oracle.ParsePlant("tree"); err == nil {
		t.Error("ParsePlant accepts an unknown name")
	}
}

func TestVerdictsAdd(t *testing.T) {
	a := oracle.Verdict{Acked: 1, Maybe: 2, Delivered: 3, Reported: 4, Needless: 5, Gaps: oracle.Counts{"slow": 1}}
	a.Add(oracle.Verdict{Acked: 10, Maybe: 20, Delivered: 30, Reported: 40, Needless: 50, Gaps: oracle.Counts{"slow": 2, "ahead": 1}, Findings: []oracle.Finding{{}}})
	const want = "acked 11, delivered once and in order 33, reported as gaps 44, unexplained 1; 22 55 ahead 1, slow 3"
	if got := fmt.Sprintf("%v; %d %d %v", a, a.Maybe, a.Needless, oracle.Counts(a.Gaps)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
