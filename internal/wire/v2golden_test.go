package wire_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// v2Row is a row of a file in testdata/v2. See the README there.
type v2Row struct {
	Name, Clause, Direction, Text string

	Means json.RawMessage
	Reply string
}

// v2Rows returns the rows of a file, and their meanings.
func v2Rows[T any](t testing.TB, file, direction string) (rows []v2Row, means []T) {
	t.Helper()
	rows = golden[v2Row](t, "v2/"+file)
	names := make(map[string]bool)
	for _, row := range rows {
		if row.Direction != direction || row.Clause == "" || names[row.Name] {
			t.Errorf("%s: %q: want the direction %s, a clause and a name of its own", file, row.Name, direction)
		}
		names[row.Name] = true
		var m T
		if err := json.Unmarshal(row.Means, &m); err != nil {
			t.Fatalf("%s: %s: %v", file, row.Name, err)
		}
		means = append(means, m)
	}
	return rows, means
}

// v2Means is the meaning of a client's message.
type v2Means struct {
	ID       json.RawMessage
	Kind     string
	Token    string
	Channels []json.RawMessage
	Channel  string
	Message  json.RawMessage
	Key      *string
	Echo     bool
	Since    *string
	Before   *string
	Limit    int
	Last     int
	Times    bool
}

// request returns the result that ParseV2 should have.
func (m v2Means) request(t *testing.T) wire.V2Request {
	t.Helper()
	want := wire.V2Request{ID: m.ID, Token: m.Token, Channel: m.Channel, Message: m.Message, Echo: m.Echo, Limit: m.Limit, Last: m.Last, Times: m.Times}
	for k := wire.V2Auth; k <= wire.V2Ping; k++ {
		if k.String() == m.Kind {
			want.Kind = k
		}
	}
	want.Key, want.HasKey = given(m.Key)
	want.Since, want.HasSince = given(m.Since)
	want.Before, want.HasBefore = given(m.Before)
	for _, raw := range m.Channels {
		if want.Kind == wire.V2Leave {
			var name wire.V2Name
			if raw[0] == '"' {
				decode(t, raw, &name.Channel)
			} else {
				decode(t, raw, &name)
			}
			want.Leave = append(want.Leave, name)
			continue
		}
		var c struct {
			Channel  string
			Bad      wire.V2Error
			Since    *string
			Last     *int
			Presence bool
			Info     json.RawMessage
		}
		decode(t, raw, &c)
		join := wire.V2Channel{Channel: c.Channel, Bad: c.Bad, Presence: c.Presence, Info: c.Info}
		join.Since, join.HasSince = given(c.Since)
		join.Last, join.HasLast = given(c.Last)
		want.Join = append(want.Join, join)
	}
	return want
}

// given returns the value at p and true, or the zero value and false if p is nil.
func given[T any](p *T) (v T, ok bool) {
	if p == nil {
		return v, false
	}
	return *p, true
}

func decode(t *testing.T, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// clauses 1.1, 1.2, 1.5, 1.7, 2.1, 2.2, 2.4, 3.2, 4.1, 4.12, 6.1, 6.2, 6.3, 7.1, 8.2, 9.3
func TestGoldenV2Requests(t *testing.T) {
	rows, means := v2Rows[v2Means](t, "requests.json", "client")
	wrong, wrongMeans := v2Rows[v2Means](t, "entries.json", "client")
	rows, means = append(rows, wrong...), append(means, wrongMeans...)
	for i, row := range rows {
		got, err := wire.ParseV2([]byte(row.Text))
		if err != nil {
			t.Errorf("%s: %v", row.Name, err)
			continue
		}
		if diff := cmp.Diff(means[i].request(t), got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.Name, diff)
		}
	}
}

// clauses 2.2, 2.5, 2.6, 4.1, 7.1
func TestGoldenV2Malformed(t *testing.T) {
	rows, means := v2Rows[struct {
		ID      json.RawMessage
		Error   string
		Message string
	}](t, "malformed.json", "client")
	for i, row := range rows {
		got, err := wire.ParseV2([]byte(row.Text))
		if err == nil {
			t.Errorf("%s: got %+v, want an error", row.Name, got)
			continue
		}
		want := wire.V2Request{ID: means[i].ID}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.Name, diff)
		}
		if err.Error() != means[i].Message || fault.Of(err).Code != means[i].Error {
			t.Errorf("%s: got %s %q, want %s %q", row.Name, fault.Of(err).Code, err, means[i].Error, means[i].Message)
		}
		f := protocol2.Fault(err)
		if diff := cmp.Diff(row.Reply, string(wire.AppendV2Error(nil, got.ID, &f))); diff != "" {
			t.Errorf("%s: reply (-want +got):\n%s", row.Name, diff)
		}
	}
}

// v2Sent is the meaning of a server's message.
type v2Sent struct {
	To                    string // the kind of a reply, or the end of a gap
	Kind                  string
	ID                    json.RawMessage
	Session               string
	User, Expires         string
	InMS                  int64 `json:"in_ms"`
	Heartbeat             int
	Limits                map[string]int
	Channel, Reason, From string
	Message, Event        json.RawMessage
	Position              string
	Error                 *v2Fault
	AfterMS               *int64 `json:"after_ms"`
	Result                v2Result
}

// v2Fault is an error object.
type v2Fault struct {
	Code, Message, Retry, Docs, Oldest string
	RetryAfterMS                       int64 `json:"retry_after_ms"`
}

func (f *v2Fault) wire() *wire.V2Fault {
	if f == nil {
		return nil
	}
	return &wire.V2Fault{Code: f.Code, Message: f.Message, Retry: f.Retry, Docs: f.Docs, RetryAfterMS: f.RetryAfterMS, Oldest: position(f.Oldest)}
}

// v2Result is the content of a reply of any kind.
type v2Result struct {
	User, Expires, Channel, Position string
	Duplicate, More                  bool
	Channels                         []struct {
		Channel, Position, Oldest string
		Error                     *v2Fault
		Recovered                 *bool
		Gap                       struct{ Reason, From, To string }
		Presence                  json.RawMessage
	}
	Messages []struct {
		Message  json.RawMessage
		Position string
		Time     time.Time
	}
}

// clauses 2.3, 2.6, 2.9, 3.1, 3.2, 3.8, 3.9, 3.10, 3.11, 4.2, 4.3, 4.7, 4.8, 4.11, 4.12, 5.1,
// 5.3, 6.1, 6.3, 7.2, 8.1, 8.2, 8.3, 9.3, 9.4, 9.7, 9.8
func TestGoldenV2Sent(t *testing.T) {
	for _, file := range []string{"replies.json", "errors.json", "messages.json"} {
		rows, means := v2Rows[v2Sent](t, file, "server")
		for i, row := range rows {
			got := string(appendV2(t, nil, row.Means, &means[i]))
			if diff := cmp.Diff(row.Text, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", file, row.Name, diff)
			}
		}
	}
}

// clause 1.2
func TestGoldenV2Tolerance(t *testing.T) {
	kinds := []string{"hello", "reply", "message", "gap", "presence", "heartbeat", "expiring", "goodbye", "nothing"}
	rows, means := v2Rows[v2Sent](t, "tolerance.json", "server")
	for i, row := range rows {
		if !json.Valid([]byte(row.Text)) || !slices.Contains(kinds, means[i].Kind) {
			t.Errorf("%s: want JSON, and one of the kinds %q", row.Name, kinds)
		}
	}
}

// TestGoldenV2Faults compares the errors in all examples with the table of errors.
func TestGoldenV2Faults(t *testing.T) {
	table := make(map[string]v2Fault)
	for _, row := range fault.All() {
		f := protocol2.Fault(row)
		table[f.Code] = v2Fault{Code: f.Code, Retry: f.Retry, Docs: f.Docs, RetryAfterMS: f.RetryAfterMS}
	}
	for _, file := range []string{"replies.json", "errors.json", "messages.json"} {
		rows, means := v2Rows[v2Sent](t, file, "server")
		for i, row := range rows {
			faults := []*v2Fault{means[i].Error}
			for _, c := range means[i].Result.Channels {
				faults = append(faults, c.Error)
			}
			for _, f := range faults {
				if f == nil {
					continue
				}
				got := v2Fault{Code: f.Code, Retry: f.Retry, Docs: f.Docs, RetryAfterMS: f.RetryAfterMS}
				if diff := cmp.Diff(table[f.Code], got); diff != "" {
					t.Errorf("%s: %s (-table +example):\n%s", file, row.Name, diff)
				}
			}
		}
	}
}

// appendV2 appends the server's message with the given meaning.
func appendV2(t *testing.T, dst []byte, raw json.RawMessage, m *v2Sent) []byte {
	t.Helper()
	switch m.Kind {
	case "hello":
		l := m.Limits
		return wire.AppendV2Hello(dst, wire.V2Hello{Session: m.Session, User: m.User, Expires: m.Expires, Heartbeat: m.Heartbeat, Limits: wire.V2Limits{
			FrameBytes: l["frame_bytes"], Channels: l["channels"], ChannelBytes: l["channel_bytes"],
			KeyBytes: l["key_bytes"], History: l["history"], InfoBytes: l["info_bytes"],
		}})
	case "message":
		dst = wire.AppendV2Open(dst, m.Channel, m.Message)
		dst = append(dst, m.Position...)
		return append(dst, wire.V2Close...)
	case "gap":
		return wire.AppendV2Gap(dst, m.Channel, m.Reason, position(m.From), position(m.To))
	case "presence":
		return wire.AppendV2Presence(dst, m.Channel, m.Event)
	case "heartbeat":
		return append(dst, wire.V2Heartbeat...)
	case "expiring":
		return wire.AppendV2Expiring(dst, m.Expires, m.InMS)
	case "goodbye":
		after := int64(-1)
		if m.AfterMS != nil {
			after = *m.AfterMS
		}
		return wire.AppendV2Goodbye(dst, m.Error.wire(), after)
	case "reply":
		if m.Error != nil {
			return wire.AppendV2Error(dst, m.ID, m.Error.wire())
		}
		return appendV2Reply(t, dst, raw, m)
	}
	t.Fatalf("%s: the kind %q is not known", raw, m.Kind)
	return nil
}

func appendV2Reply(t *testing.T, dst []byte, raw json.RawMessage, m *v2Sent) []byte {
	t.Helper()
	r := &m.Result
	switch m.To {
	case "auth":
		return wire.AppendV2Auth(dst, m.ID, r.User, r.Expires)
	case "join":
		dst = wire.AppendV2JoinOpen(dst, m.ID)
		for _, c := range r.Channels {
			joined := wire.V2Joined{
				Channel: c.Channel, Fault: c.Error.wire(), Position: position(c.Position),
				Reason: c.Gap.Reason, From: position(c.Gap.From), To: position(c.Gap.To),
				Oldest: position(c.Oldest), Presence: c.Presence,
			}
			joined.Recovered, joined.HasRecovered = given(c.Recovered)
			dst = wire.AppendV2Joined(dst, &joined)
		}
		return wire.AppendV2JoinClose(dst)
	case "leave":
		var results []wire.V2Left
		for _, c := range r.Channels {
			results = append(results, wire.V2Left{Channel: c.Channel, Fault: c.Error.wire()})
		}
		return wire.AppendV2Left(dst, m.ID, results)
	case "publish":
		return wire.AppendV2Published(dst, m.ID, position(r.Position), r.Duplicate)
	case "history":
		dst = wire.AppendV2HistoryOpen(dst, m.ID, r.Channel)
		for _, one := range r.Messages {
			dst = wire.AppendV2HistoryMessage(dst, one.Message, position(one.Position), one.Time)
		}
		return wire.AppendV2HistoryClose(dst, position(r.Position), r.More)
	case "presence":
		return wire.AppendV2PresenceReply(dst, m.ID, r.Channel, snapshotOf(t, raw))
	case "ping":
		return wire.AppendV2Pong(dst, m.ID)
	}
	t.Fatalf("%s: the reply %q is not known", raw, m.To)
	return nil
}

// snapshotOf returns a presence reply without its channel.
func snapshotOf(t *testing.T, means json.RawMessage) []byte {
	t.Helper()
	var m struct {
		Result struct {
			Users    int             `json:"users"`
			Sessions int             `json:"sessions"`
			Members  json.RawMessage `json:"members,omitempty"`
		}
	}
	decode(t, means, &m)
	b, err := json.Marshal(m.Result)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// position returns the text of a position, or nil if there is none.
func position(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
