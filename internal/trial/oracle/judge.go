package oracle

import (
	"fmt"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Judge decides for each publisher and each stream whether the promise was kept.
func Judge(h History) Verdict {
	v := Verdict{Gaps: make(Counts), To: make(Counts)}
	tracks := h.Log.tracks()
	judgePublishes(h.Publishes, tracks, &v)
	for _, s := range h.Streams {
		j := judge{stream: s, track: tracks(s.Channel), verdict: &v}
		j.run()
	}
	for _, r := range h.Rolls {
		judgeRoll(r, &v)
	}
	return v
}

// judgePublishes checks three things. Each acknowledged message is in the log, at the reported
// position. No message is in the log twice in one life. The acknowledged messages of each publisher
// are in the order in which it published them.
func judgePublishes(publishes []Publish, tracks func(string) *track, v *Verdict) {
	type author struct {
		channel, publisher string
		life               int
	}
	newest := make(map[author]uint64)
	place := make(map[author]int)
	finding := func(m Message, kind, format string, args ...any) {
		v.Findings = append(v.Findings, Finding{Channel: m.Channel, Kind: kind, Text: fmt.Sprintf("%v: ", m) + fmt.Sprintf(format, args...)})
	}
	for _, p := range publishes {
		t := tracks(p.Message.Channel)
		lives := make(map[int]bool)
		for _, i := range t.where[p.Message] {
			if life := t.entries[i].life; lives[life] {
				finding(p.Message, "published twice", "it is in the log again at offset %d", t.entries[i].offset)
			}
			lives[t.entries[i].life] = true
		}
		if !p.Acked {
			v.Maybe++
			continue
		}
		v.Acked++
		i := t.find(p.Message, p.Position, 0)
		if i < 0 {
			finding(p.Message, "not kept", "it was acknowledged at %v, where the log does not have it", p.Position)
			continue
		}
		a := author{p.Message.Channel, p.Message.Publisher, t.entries[i].life}
		if newest[a] < p.Message.Seq {
			if i < place[a] {
				finding(p.Message, "kept out of order", "it stands before %d of the same publisher", newest[a])
			}
			newest[a], place[a] = p.Message.Seq, i
		}
	}
}

// judge follows one stream along the channel's log.
type judge struct {
	stream  *Stream
	track   *track
	verdict *Verdict

	joined bool
	known  bool // whether next is exact; otherwise the stream begins at next or earlier
	next   int  // index of the entry that must come next
	event  int
}

func (j *judge) run() {
	for i, e := range j.stream.Events {
		j.event = i
		switch e.Kind {
		case Joined:
			j.join(e)
		case Got:
			j.got(e)
		case Missed:
			j.missed(e.Gap)
		case Lost:
			if j.stream.Classic {
				j.joined = false
			}
		case Left:
			j.joined = false
		case Settled:
			j.settled()
		}
	}
}

func (j *judge) finding(kind, format string, args ...any) {
	j.verdict.Findings = append(j.verdict.Findings, Finding{j.stream.Subscriber, j.stream.Channel, j.event, kind, fmt.Sprintf(format, args...)})
}

// place returns the place of a position that the client received.
func (j *judge) place(what string, p engine.Position) (int, bool) {
	n, ok := j.track.place(p)
	if !ok {
		j.finding("no such place", "%s is %v, and the log never had that epoch", what, p)
	}
	return n, ok
}

func (j *judge) join(e Event) {
	at, told := j.next, !e.Position.IsZero()
	if told {
		var ok bool
		if at, ok = j.place("the join's position", e.Position); !ok {
			return
		}
	}
	if e.Resumed && j.joined && j.known {
		// The stream continues at its last position, whatever the client claims. A client may have
		// received messages there that it published and did not want back, and dropped them.
		for told && j.next < at && j.unwanted(j.next) {
			j.next++
		}
		if told && at != j.next {
			j.finding("wrong resume", "it went on %d messages away from where the stream was", at-j.next)
		}
		return
	}
	if e.Resumed && !told {
		j.joined = true
		return
	}
	if j.joined && j.known && !e.Resumed {
		// The stream begins anew, so the messages in between were not reported.
		if told {
			j.lose(at)
		}
		return
	}
	j.joined, j.known, j.next = true, told, at
	if !told {
		j.next = len(j.track.entries)
	}
	if !e.NotAfter.IsZero() {
		latest, ok := j.place("the head after the join", e.NotAfter)
		if ok && told && at > latest {
			j.finding("joined too late", "it begins %d messages after the head when it was there", at-latest)
		}
		if ok && !told {
			j.next = latest
		}
	}
	if !e.NotBefore.IsZero() && told {
		if earliest, ok := j.place("the head before the join", e.NotBefore); ok && at < earliest {
			j.finding("joined too early", "it begins %d messages before the head when it was asked for", earliest-at)
		}
	}
}

func (j *judge) got(e Event) {
	if !j.joined {
		j.finding("not joined", "%v came", e.Message)
		return
	}
	i := j.track.find(e.Message, e.Position, j.next)
	if i < 0 {
		j.finding("never published", "%v at %v", e.Message, e.Position)
		return
	}
	if !j.known {
		// The first message shows where the stream began, which is at next or earlier.
		j.known, j.next = true, min(j.next, i)
	}
	if i < j.next {
		if j.before(e.Message) {
			j.finding("repeated", "%v came again", e.Message)
		} else {
			j.finding("reordered", "%v came after a later one", e.Message)
		}
		return
	}
	j.lose(i)
	j.verdict.Delivered++
	j.verdict.To[j.stream.Subscriber]++
	j.next = i + 1
}

// before reports whether the message was received earlier in the stream.
func (j *judge) before(m Message) bool {
	for _, e := range j.stream.Events[:j.event] {
		if e.Kind == Got && e.Message == m {
			return true
		}
	}
	return false
}

// unwanted reports whether the subscriber need not receive the entry.
func (j *judge) unwanted(i int) bool {
	e := j.track.entries[i]
	return e.except != "" && e.except == j.stream.Subscriber
}

// lose moves next to the given place, and reports all skipped entries as lost.
func (j *judge) lose(to int) {
	for ; j.next < to; j.next++ {
		if e := j.track.entries[j.next]; !j.unwanted(j.next) {
			j.finding("lost", "%v, at offset %d of life %d", e.message, e.offset, e.life)
		}
	}
}

func (j *judge) missed(g boreas.Gap) {
	if !j.joined {
		j.finding("not joined", "a gap was told")
		return
	}
	from, ok1 := j.place("the gap's from", g.From)
	to, ok2 := j.place("the gap's to", g.To)
	if !ok1 || !ok2 {
		return
	}
	if !j.known {
		j.known, j.next = true, min(j.next, from)
	}
	if from < j.next {
		j.finding("wrong gap", "it begins %d messages before what has come already", j.next-from)
	}
	j.lose(from)
	j.verdict.Gaps[string(g.Reason)]++
	switch {
	case to < j.next:
		j.finding("wrong gap", "it ends %d messages before what has come already", j.next-to)
	case to == j.next && (g.Reason == boreas.GapExpired || g.Reason == boreas.GapSlow || g.Reason == boreas.GapConflated):
		// For these reasons the server always knows whether anything was published.
		j.finding("wrong gap", "nothing was missed (%s)", g.Reason)
	case to == j.next:
		j.verdict.Needless++
	}
	if same := g.From.Epoch == g.To.Epoch; same == (g.Reason == boreas.GapUnknownEpoch) {
		j.finding("wrong gap", "its reason is %s, and its ends are %v and %v", g.Reason, g.From, g.To)
	}
	j.verdict.Reported += max(0, to-j.next)
	j.next = max(j.next, to)
}

// settled reports all entries as lost that have not been received.
func (j *judge) settled() {
	if j.joined {
		j.lose(len(j.track.entries))
	}
}
