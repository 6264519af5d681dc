package refusal

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at returns a log that takes its time from now.
func at(now *time.Time) *Log {
	l := New()
	l.now = func() time.Time { return *now }
	return l
}

func TestFind(t *testing.T) {
	now := time.Unix(1000, 0)
	l := at(&now)
	add := func(address, session, token, user, channel string) Entry {
		now = now.Add(time.Second)
		e := Entry{Code: "not_permitted", Address: address, Session: session, TokenID: token, User: user, Channel: channel}
		l.Add(e)
		e.Time, e.Count = now, 1
		return e
	}
	a := add("192.0.2.1", "s_1", "tok_1", "ann", "x")
	b := add("192.0.2.1", "s_2", "tok_1", "ann", "y")
	c := add("192.0.2.2", "s_3", "tok_2", "bob", "x")
	for name, test := range map[string]struct {
		filter Filter
		limit  int
		want   []Entry
	}{
		"all":        {Filter{}, 10, []Entry{c, b, a}},
		"the newest": {Filter{}, 2, []Entry{c, b}},
		"none":       {Filter{}, 0, []Entry{}},
		"an address": {Filter{Address: "192.0.2.1"}, 10, []Entry{b, a}},
		"a token":    {Filter{TokenID: "tok_2"}, 10, []Entry{c}},
		"a session":  {Filter{Session: "s_1"}, 10, []Entry{a}},
		"a user":     {Filter{User: "ann"}, 10, []Entry{b, a}},
		"two things": {Filter{User: "ann", Session: "s_2"}, 10, []Entry{b}},
		"no match":   {Filter{User: "ann", Session: "s_3"}, 10, []Entry{}},
	} {
		if diff := cmp.Diff(test.want, l.Find(test.filter, test.limit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var none *Log
	none.Add(a)
	if got := none.Find(Filter{}, 1); len(got) != 0 {
		t.Errorf("a nil log holds %v", got)
	}
}

// TestTotal: the total counts equal refusals and those that the log no longer holds.
func TestTotal(t *testing.T) {
	l := New()
	for i := range Size + 10 {
		l.Add(Entry{Session: fmt.Sprint(i)})
		l.Add(Entry{Session: fmt.Sprint(i)}) // an equal one
	}
	if got := l.Total(); got != 2*(Size+10) {
		t.Errorf("the total is %d", got)
	}
	var none *Log
	if got := none.Total(); got != 0 {
		t.Errorf("the total of no log is %d", got)
	}
}

// TestEqualRefusalsShareAnEntry: equal refusals of one client within a minute share one entry, even
// if other clients are refused in between.
func TestEqualRefusalsShareAnEntry(t *testing.T) {
	now := time.Unix(1000, 0)
	l := at(&now)
	same := Entry{Code: "rate_limited", Address: "192.0.2.1"}
	for range 3 {
		now = now.Add(time.Second)
		l.Add(same)
	}
	l.Add(Entry{Code: "other", Address: "192.0.2.2"})
	l.Add(same) // another client's refusal in between does not matter
	l.Add(Entry{Code: "invalid_token", Address: "192.0.2.1"})
	l.Add(same)
	now = now.Add(2 * sameWithin)
	l.Add(same)
	var got []string
	for _, e := range l.Find(Filter{Address: "192.0.2.1"}, 10) {
		got = append(got, fmt.Sprintf("%s %d", e.Code, e.Count))
	}
	if diff := cmp.Diff([]string{"rate_limited 1", "rate_limited 1", "invalid_token 1", "rate_limited 4"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestTheLogIsBounded fills a log more than twice, with texts that are too long.
func TestTheLogIsBounded(t *testing.T) {
	l := New()
	const n = 2*Size + 100
	for i := range n {
		l.Add(Entry{Code: "c", Session: fmt.Sprint("s_", i), Channel: strings.Repeat("ä", maxText)})
	}
	all := l.Find(Filter{}, n)
	if len(all) != Size || l.all.len != Size || len(l.last) != Size || len(l.owners.heap) != Size || len(l.owners.byName) != Size {
		t.Fatalf("%d found, %d entries, %d clients, %d owners", len(all), l.all.len, len(l.last), len(l.owners.heap))
	}
	for i, e := range all {
		if want := fmt.Sprint("s_", n-1-i); e.Session != want || e.Count != 1 || len(e.Channel) > maxText || strings.ContainsRune(e.Channel, '\uFFFD') {
			t.Fatalf("entry %d is of %s, want %s", i, e.Session, want)
		}
	}
}

// TestPartsOfMessages: an entry does not keep the message in memory that one of its texts is from.
func TestPartsOfMessages(t *testing.T) {
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	l := New()
	before := live()
	for i := range 1000 {
		message := fmt.Sprint(i, strings.Repeat("x", 64<<10))
		l.Add(Entry{Code: "not_permitted", Session: message[:8], Channel: message})
	}
	if grown := int64(live()) - int64(before); grown > 10<<20 {
		t.Errorf("1000 refusals take %d bytes", grown)
	}
	runtime.KeepAlive(l)
}

// TestOneClientDoesNotPushOutOthers: a client that is refused more often than all others pushes out
// only its own refusals. The client is a user, or an anonymous client in one network.
func TestOneClientDoesNotPushOutOthers(t *testing.T) {
	for name, attack := range map[string]func(i int) Entry{
		"a user from many addresses": func(i int) Entry {
			return Entry{Code: "not_permitted", User: "eve", Address: fmt.Sprintf("192.0.2.%d", i%250), Session: fmt.Sprint("s_", i%90), Channel: fmt.Sprint(i)}
		},
		"an anonymous network": func(i int) Entry {
			return Entry{Code: "invalid_token", Address: fmt.Sprintf("2001:db8::%x", i%65536), Message: fmt.Sprint(i)}
		},
		"an unknown client": func(i int) Entry { return Entry{Code: "invalid_token", Message: fmt.Sprint(i)} },
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			l := at(&now)
			const others = 200
			for i := range others {
				l.Add(Entry{Code: "not_permitted", User: fmt.Sprint("user-", i), Channel: "x"})
				l.Add(Entry{Code: "not_permitted", User: fmt.Sprint("user-", i), Channel: "y"})
			}
			for i := range 3 * Size {
				l.Add(attack(i))
			}
			for i := range others {
				if n := len(l.Find(Filter{User: fmt.Sprint("user-", i)}, 10)); n != 2 {
					t.Fatalf("user %d has %d refusals left, want 2", i, n)
				}
			}
			if n := len(l.Find(Filter{}, 2*Size)); n != Size {
				t.Errorf("the log holds %d refusals", n)
			}
			// Old refusals make room for new ones, regardless of their owner.
			now = now.Add(keptAtLeast)
			for i := range Size {
				l.Add(Entry{Code: "not_permitted", User: fmt.Sprint("late-", i)})
			}
			if n := len(l.Find(Filter{User: "user-1"}, 10)); n != 0 {
				t.Errorf("%d refusals from an hour ago are left", n)
			}
		})
	}
}

// TestSharesAgree makes random changes and checks that the log's parts stay consistent.
func TestSharesAgree(t *testing.T) {
	now := time.Unix(1000, 0)
	l := at(&now)
	for i := range 5 * Size {
		now = now.Add(time.Duration(i%3) * time.Second)
		l.Add(Entry{User: fmt.Sprint("u", i*i%97), Channel: fmt.Sprint(i * 7 % 1013), Session: fmt.Sprint(i % 11)})
	}
	n := 0
	for i, w := range l.owners.heap {
		if w.index != i || l.owners.byName[w.name] != w || len(w.nodes) > len(l.owners.most().nodes) {
			t.Fatalf("owner %d: %+v", i, w)
		}
		n += len(w.nodes)
	}
	if found := l.Find(Filter{}, 2*Size); n != l.all.len || n != len(found) || n > Size {
		t.Errorf("%d of owners, %d of all, %d found", n, l.all.len, len(found))
	}
}
