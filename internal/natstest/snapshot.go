package natstest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// A Snapshot is a copy of a stream, as `nats stream backup` makes one.
type Snapshot struct {
	stream        string
	config, state json.RawMessage
	chunks        [][]byte
}

// TakeSnapshot copies a stream.
func TakeSnapshot(ctx context.Context, nc *nats.Conn, stream string) (*Snapshot, error) {
	inbox := nc.NewInbox()
	arriving, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer arriving.Unsubscribe() //nolint:errcheck // the connection is lost
	s := &Snapshot{stream: stream}
	var answer struct{ Config, State json.RawMessage }
	if err := api(ctx, nc, "STREAM.SNAPSHOT."+stream, map[string]any{"deliver_subject": inbox, "no_consumers": true}, &answer); err != nil {
		return nil, err
	}
	s.config, s.state = answer.Config, answer.State
	for {
		m, err := arriving.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		if len(m.Data) == 0 {
			return s, nil
		}
		s.chunks = append(s.chunks, m.Data)
		if m.Reply == "" {
			continue
		}
		if err := m.Respond(nil); err != nil {
			return nil, err
		}
	}
}

// Restore makes the stream from the copy. There must be no stream with its name.
func (s *Snapshot) Restore(ctx context.Context, nc *nats.Conn) error {
	var answer struct {
		To string `json:"deliver_subject"`
	}
	if err := api(ctx, nc, "STREAM.RESTORE."+s.stream, map[string]any{"config": s.config, "state": s.state}, &answer); err != nil {
		return err
	}
	for _, chunk := range append(s.chunks[:len(s.chunks):len(s.chunks)], nil) {
		m, err := nc.RequestWithContext(ctx, answer.To, chunk)
		if err == nil {
			err = failure(m)
		}
		if err != nil {
			return fmt.Errorf("restore the stream %s: %w", s.stream, err)
		}
	}
	return nil
}

// api asks a question of JetStream's API.
func api(ctx context.Context, nc *nats.Conn, subject string, question, answer any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	m, err := nc.RequestWithContext(ctx, "$JS.API."+subject, text)
	if err == nil {
		err = failure(m)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	return json.Unmarshal(m.Data, answer)
}

// failure returns the error in an answer.
func failure(m *nats.Msg) error {
	var answer struct {
		Error *struct{ Description string }
	}
	if len(m.Data) == 0 {
		return nil
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil || answer.Error == nil {
		return err
	}
	return fmt.Errorf("NATS answers: %s", answer.Error.Description)
}
