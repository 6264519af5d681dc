package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

const (
	// tailComment is the time between two comments in a stream of events, which show the reader that
	// the server is there.
	tailComment = 15 * time.Second

	// tailPause is the time from one write of this node's events to the next. Otherwise a busy server
	// would wake the stream for each message, which costs more than a thousand deliveries of it.
	tailPause = 20 * time.Millisecond

	// tailWrite is how long the reader may take to accept some bytes.
	tailWrite = 30 * time.Second
)

// publishing returns the context for a publish of the caller.
func (s *service) publishing(r *http.Request, c *call) context.Context {
	ctx := r.Context()
	if !s.options.Tail.Watched() {
		return ctx
	}
	p := tail.Publisher{Key: c.keyID(), Traceparent: traceparent(r.Header)}
	if c.grant != nil {
		p.Token, p.User = c.grant.TokenID, c.grant.User
	}
	return tail.WithPublisher(ctx, p)
}

// A tailFilter is what a reader of /v2/tail wants to see.
type tailFilter struct {
	Channel string      `json:"channel,omitempty"` // a pattern
	Events  []tail.Kind `json:"events,omitempty"`
	User    string      `json:"user,omitempty"`
	Session string      `json:"session,omitempty"`
	Payload bool        `json:"payload,omitempty"` // with the messages themselves
	Within  []string    `json:"within,omitempty"`  // only events about channels that one of these patterns matches
}

// filter returns the filter for the log.
func (f *tailFilter) filter() (tail.Filter, error) {
	found := tail.Filter{Kinds: f.Events, User: f.User, Session: f.Session}
	if f.Channel != "" {
		p, err := access.ParsePattern(f.Channel)
		if err != nil {
			return found, malformed("The parameter channel: %v.", err)
		}
		found.Channels = &p
	}
	for _, text := range f.Within {
		p, err := access.ParsePattern(text)
		if err != nil {
			return found, err
		}
		found.Within = append(found.Within, p)
	}
	return found, nil
}

// newTailFilter reads the parameters of a request.
func newTailFilter(q query) (f tailFilter, err error) {
	f = tailFilter{Channel: q.values["channel"], User: q.values["user"], Session: q.values["session"], Payload: true}
	for _, name := range []string{"channel", "user", "session"} {
		if value, given := q.values[name]; given && value == "" {
			return f, malformed("The parameter %s is empty: leave it out to see all.", name)
		}
	}
	if _, given := q.values["payload"]; given {
		if f.Payload, err = q.flag("payload"); err != nil {
			return f, err
		}
	}
	if names, given := q.values["event"]; given {
		for name := range strings.SplitSeq(names, ",") {
			kind := tail.Kind(name)
			if !slices.Contains(tail.Kinds(), kind) {
				return f, malformed("The parameter event has %.40q: the events are %s.", name, kindNames())
			}
			f.Events = append(f.Events, kind)
		}
	}
	return f, nil
}

// limit restricts the events to the channels of the caller's key. It returns an error if the caller
// wants events that are about no channel.
func (f *tailFilter) limit(c *call) error {
	if c.key == nil || len(c.key.Channels) == 0 {
		return nil
	}
	for _, kind := range f.Events {
		if !kind.AboutChannels() {
			return fault.NotPermitted.With(fmt.Sprintf("The key is limited to channels, and the event %s is not about a channel.", kind))
		}
	}
	f.Within = c.key.Channels
	return nil
}

func kindNames() string {
	var names []string
	for _, k := range tail.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// tailJSON is an event in the API's format. Members that do not apply are left out.
type tailJSON struct {
	Event    tail.Kind `json:"-"`
	Time     string    `json:"time"`
	Node     string    `json:"node,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	Position string    `json:"position,omitempty"`
	Size     int       `json:"size,omitempty"`
	Session  string    `json:"session,omitempty"`
	User     string    `json:"user,omitempty"`
	Token    string    `json:"token,omitempty"`
	Key      string    `json:"key,omitempty"`

	Traceparent string `json:"traceparent,omitempty"`

	Address   string          `json:"address,omitempty"`
	Transport string          `json:"transport,omitempty"`
	Verb      string          `json:"verb,omitempty"`
	Code      string          `json:"code,omitempty"`
	Message   json.RawMessage `json:"message,omitempty"` // a message, or the text of an error
	Reason    string          `json:"reason,omitempty"`
	From      string          `json:"from,omitempty"`
	To        string          `json:"to,omitempty"`
	Action    string          `json:"action,omitempty"`
}

// Codes of ended sessions that are no errors of the table.
const (
	codeLeft = "left" // the client closed the connection
	codeLost = "lost" // the connection was lost
)

func newTailJSON(e *tail.Event, node string, payload bool) tailJSON {
	j := tailJSON{
		Event: e.Kind, Time: e.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"), Node: node, Channel: e.Channel, Session: e.Session,
		User: e.User, Token: e.Token, Key: e.Key, Traceparent: e.Traceparent, Address: e.Address, Transport: e.Transport, Verb: e.Verb, Code: e.Code,
	}
	switch e.Kind {
	case tail.Message:
		j.Position, j.Size = e.Position.String(), len(e.Data)
		if payload {
			j.Message = e.Data
		}
	case tail.Gap:
		j.Reason, j.From, j.To = e.Cause, e.From.String(), e.Position.String()
	case tail.Presence:
		j.Action = e.Cause
	case tail.Ended:
		code, text := ending(e.Reason)
		j.Code, j.Message = code, appendString(nil, text)
	case tail.Refused:
		j.Message = appendString(nil, e.Text)
	}
	return j
}

// ending returns the code and the message of why a session has ended.
func ending(reason error) (code, message string) {
	switch f := fault.Of(reason); {
	case errors.Is(reason, boreas.ErrLeft):
		return codeLeft, "The client closed the connection."
	case f == nil, f == fault.Internal:
		return codeLost, "The connection was lost."
	default:
		return f.Code, fault.Message(reason)
	}
}

// appendEvent appends an event of the stream.
func appendEvent(dst []byte, name string, data any) []byte {
	dst = append(append(append(dst, "event: "...), name...), "\ndata: "...)
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil { // it ends with a newline; a message is one JSON text
		panic(err)
	}
	return append(b.Bytes(), '\n')
}

// A tailPart is some events of one node, and how many are missing after them.
type tailPart struct {
	events []tailJSON
	missed uint64
	nodes  *answeredJSON // set if other nodes answer now, or are silent
}

func (p *tailPart) append(dst []byte) []byte {
	if p.nodes != nil {
		dst = appendEvent(dst, "nodes", p.nodes)
	}
	for i := range p.events {
		dst = appendEvent(dst, string(p.events[i].Event), &p.events[i])
	}
	if p.missed > 0 {
		dst = appendEvent(dst, "missed", map[string]uint64{"count": p.missed})
	}
	return dst
}

// watchTail shows what happens, as a stream of events, until the client leaves.
func (s *service) watchTail(w http.ResponseWriter, r *http.Request, c *call) {
	values, err := parseQuery(r.URL.RawQuery, []string{"channel", "event", "user", "session", "payload"})
	if err != nil {
		s.fail(w, err)
		return
	}
	f, err := newTailFilter(query{c, values})
	if err != nil {
		s.fail(w, err)
		return
	}
	f.Payload = f.Payload && c.seesPayloads()
	if err := f.limit(c); err != nil {
		s.deny(w, r, c, err)
		return
	}
	filter, err := f.filter()
	if err != nil {
		s.fail(w, err)
		return
	}
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = []string{"text/event-stream"}, nosniff
	h["Cache-Control"], h["X-Accel-Buffering"] = []string{"no-store"}, []string{"no"}
	if r.Method == http.MethodHead {
		compressedStream(w)
		return
	}
	watcher, err := s.options.Tail.Watch(filter)
	if err != nil {
		s.fail(w, watchError(err))
		return
	}
	defer watcher.Close()
	out := tailWriter{s, w, http.NewResponseController(w), r, c}
	if z := compressedStream(w); z != nil {
		out.w = z
		defer z.Close() //nolint:errcheck // the client has gone
	}
	w.WriteHeader(http.StatusOK)
	hello := struct {
		Time     string   `json:"time"`
		Node     string   `json:"node,omitempty"`
		Channels []string `json:"channels,omitempty"`
	}{time.Now().UTC().Format(time.RFC3339), s.options.Node, f.Within}
	if out.write(appendEvent(nil, "hello", hello)) != nil {
		return
	}
	s.streamTail(r.Context(), &out, watcher, f)
}

// watchError returns the error of the API for an error of [tail.Log.Watch].
func watchError(err error) error {
	if errors.Is(err, tail.ErrTooManyWatchers) {
		return fault.Overloaded.With(fmt.Sprintf("The events already have %d readers, the maximum: close one of them.", tail.MaxWatchers))
	}
	return fault.ShuttingDown
}

// streamTail writes events until an error.
func (s *service) streamTail(ctx context.Context, out *tailWriter, w *tail.Watcher, f tailFilter) {
	ctx, cancel := context.WithCancel(ctx)
	others := make(chan tailPart)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.pollTails(ctx, f, others)
	}()
	defer func() {
		cancel()
		<-done
	}()
	comment := time.NewTicker(tailComment)
	defer comment.Stop()
	ready, pause := w.Ready(), time.NewTimer(0)
	defer pause.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-comment.C:
			err = out.write([]byte(":\n\n"))
		case part := <-others:
			err = out.write(part.append(nil))
		case <-pause.C:
			ready = w.Ready()
		case <-ready:
			ready = nil
			pause.Reset(tailPause)
			var part tailPart
			if part, err = takeTail(w, s.options.Node, f.Payload); err == nil {
				err = out.write(part.append(nil))
			}
		}
		if err != nil {
			return
		}
	}
}

// takeTail returns the events of a watcher that wait.
func takeTail(w *tail.Watcher, node string, payload bool) (part tailPart, err error) {
	events, missed, err := w.Take()
	part = tailPart{events: make([]tailJSON, len(events)), missed: missed}
	for i := range events {
		part.events[i] = newTailJSON(&events[i], node, payload)
	}
	return part, err
}

// A tailWriter writes a stream of events.
type tailWriter struct {
	s       *service
	w       io.Writer
	control *http.ResponseController
	r       *http.Request
	call    *call
}

// write writes some events, if the caller may still see them. Otherwise it writes the reason, and
// returns it.
func (t *tailWriter) write(b []byte) error {
	denied := t.s.authorizeAgain(t.r, t.call)
	if denied != nil {
		b = appendEvent(nil, "end", map[string]string{"code": fault.Of(denied).Code, "message": fault.Message(denied)})
	}
	if len(b) == 0 {
		return nil
	}
	if err := t.control.SetWriteDeadline(time.Now().Add(tailWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := t.w.Write(b); err != nil {
		return err
	}
	if err := t.control.Flush(); err != nil {
		return err
	}
	return denied
}

// validText reports whether a text of another node can be shown.
func validText(text string) bool { return len(text) <= maxNodeText && utf8.ValidString(text) }
