package channellog

import (
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestRelimitMeetsANewLog: the limits change while a log is being created, after it has asked for its
// own. It gets the new ones all the same.
func TestRelimitMeetsANewLog(t *testing.T) {
	messages, changes := 5, 2
	var m *Table
	m = New(Options{Limits: func(string) engine.Retention {
		r := engine.Retention{Messages: messages}
		if changes > 0 {
			changes--
			messages--
			m.Relimit()
		}
		return r
	}})
	defer m.Close()
	for range 10 {
		if _, err := m.Publish("news", engine.Message{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	l, _ := m.Find("news")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Messages != 3 || l.newest.len() != 3 {
		t.Errorf("the log keeps %d of at most %d messages, want 3", l.newest.len(), l.limits.Messages)
	}
}
