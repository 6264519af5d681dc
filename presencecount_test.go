package boreas

import (
	"fmt"
	"testing"
	"time"
)

// clause 9.7
func TestPresenceCountsAtMostOnceASecond(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceCount, linger: 5 * time.Second}, func(r theRoom) {
		r.is("at first", `{"users":0,"sessions":0}`)
		r.enter("s0", "u0", []byte(`1`))
		r = r.watching()
		r.enter("s1", "u1", nil)
		r.hears("the first change at once", `{"event":"count","users":2,"sessions":2}`)
		r.enter("s2", "u2", nil)
		r.enter("s3", "u2", nil)
		r.settle(time.Second - 1)
		r.enter("s4", "u4", nil)
		r.hears("within a second")
		r.settle(1)
		r.hears("after a second", `{"event":"count","users":4,"sessions":5}`)
		r.settle(time.Hour)
		r.hears("with no change")
		r.leave("s4", "u4")
		r.hears("a change after a long time", `{"event":"count","users":3,"sessions":4}`)
		r.leave("s3", "u2")
		r.settle(time.Hour)
		r.hears("another session of a user")
		r.is("at the end", `{"users":3,"sessions":3}`)
		if got := string(r.resync(r.sub)); got != `{"event":"state","users":3,"sessions":3}` {
			t.Errorf("resync: %s", got)
		}
	})
}

// A change that is undone within the second is still reported, because a watcher may have received
// a snapshot in between.
func TestPresenceCountsUndoneChanges(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceCount}, func(r theRoom) {
		first := r.watching()
		r.enter("s1", "u1", nil)
		r.enter("s2", "u2", nil)
		second := r.watching()
		r.leave("s2", "u2")
		r.settle(time.Second)
		first.hears("the first", `{"event":"count","users":1,"sessions":1}`, `{"event":"count","users":1,"sessions":1}`)
		second.hears("the second", `{"event":"count","users":1,"sessions":1}`)
	})
}

// A new watcher does not wait for the end of a second that began when there was no watcher.
func TestPresenceCountsAtOnceForFirstWatcher(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceCount}, func(r theRoom) {
		r.enter("s1", "u1", nil)
		r = r.watching()
		r.enter("s2", "u2", nil)
		r.hears("at once", `{"event":"count","users":2,"sessions":2}`)
		r.enter("s3", "u3", nil)
		r.events.remove(r.sub)
		r.settle(time.Second)
		r = r.watching()
		r.enter("s4", "u4", nil)
		r.hears("at once again", `{"event":"count","users":4,"sessions":4}`)
	})
}

// clauses 9.7, 9.8
func TestPresenceOfACrowd(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceFull, maxUsers: 10, linger: time.Second}, func(r theRoom) {
		enter := func(from, to int) {
			for i := from; i < to; i++ {
				r.enter(fmt.Sprint("s", i), fmt.Sprint("u", i), nil)
			}
		}
		leave := func(from, to int) {
			for i := from; i < to; i++ {
				r.leave(fmt.Sprint("s", i), fmt.Sprint("u", i))
			}
		}
		enter(0, 9)
		r = r.watching()
		enter(9, 10)
		r.hears("ten", `{"event":"join","user":"u9","users":10,"sessions":10}`)
		enter(10, 11)
		r.hears("eleven", `{"event":"count","users":11,"sessions":11}`)
		r.is("eleven", `{"users":11,"sessions":11}`)
		leave(0, 1)
		r.settle(time.Second)
		r.hears("ten again", `{"event":"count","users":10,"sessions":10}`)
		r.is("ten again", `{"users":10,"sessions":10}`)
		leave(1, 8)
		r.hears("three, within a second")
		enter(0, 1)
		r.settle(time.Second)
		r.hears("four", `{"event":"state","users":4,"sessions":4,"members":[`+
			`{"user":"u0","sessions":["s0"]},{"user":"u10","sessions":["s10"]},{"user":"u8","sessions":["s8"]},{"user":"u9","sessions":["s9"]}]}`)
		leave(0, 1)
		r.hears("three", `{"event":"leave","user":"u0","users":3,"sessions":3}`)
		enter(0, 8)
		// The last event of this kind was less than a second ago.
		r.hears("eleven, at once", joins("u0 4", "u1 5", "u2 6", "u3 7", "u4 8", "u5 9", "u6 10")...)
		r.settle(time.Second)
		r.hears("eleven, a second later", `{"event":"count","users":11,"sessions":11}`)
		leave(0, 2)
		r.settle(time.Second - 1)
		r.hears("nine, within a second")
		enter(0, 2)
		r.settle(1)
		r.hears("eleven after all", `{"event":"count","users":11,"sessions":11}`)
		leave(0, 2)
		r.settle(time.Second)
		r.hears("nine", `{"event":"state","users":9,"sessions":9,"members":[`+
			`{"user":"u10","sessions":["s10"]},{"user":"u2","sessions":["s2"]},{"user":"u3","sessions":["s3"]},`+
			`{"user":"u4","sessions":["s4"]},{"user":"u5","sessions":["s5"]},{"user":"u6","sessions":["s6"]},`+
			`{"user":"u7","sessions":["s7"]},{"user":"u8","sessions":["s8"]},{"user":"u9","sessions":["s9"]}]}`)
	})
}

// joins returns the join events of users that have one session each.
func joins(users ...string) (events []string) {
	for _, s := range users {
		var user string
		var n int
		fmt.Sscan(s, &user, &n)
		events = append(events, fmt.Sprintf(`{"event":"join","user":%q,"users":%d,"sessions":%d}`, user, n, n))
	}
	return events
}

// Without watchers, a channel changes from counting to members without an event.
func TestPresenceOfACrowdWithoutWatchers(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceFull, maxUsers: 2}, func(r theRoom) {
		r.enter("s1", "u1", []byte(`1`))
		r.enter("s2", "u2", nil)
		r.enter("s3", "u3", nil)
		r.is("three", `{"users":3,"sessions":3}`)
		r.leave("s3", "u3")
		r.is("two", `{"users":2,"sessions":2}`)
		r.leave("s2", "u2")
		r.is("one", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s1"],"info":1}]}`)
		if head := r.events.head.Load(); head != 0 {
			t.Errorf("%d events without a watcher", head)
		}
	})
}

// After close, no count is sent later.
func TestPresenceCloseStopsCounting(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceCount}, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", nil)
		r.enter("s2", "u2", nil)
		r.close()
		if r.countLate.Stop() {
			t.Error("close left the timer running")
		}
		r.tellLate() // as if the timer could not be stopped in time
		r.hears("closed", `{"event":"count","users":1,"sessions":1}`)
		r.enter("s3", "u3", nil)
		if r.countLate.Stop() {
			t.Error("a timer was started after close")
		}
	})
}
