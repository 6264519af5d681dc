package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// This file reads the truth of a cluster: the stream, without the engine under test.

const (
	// recordLimit bounds the reading of the whole stream.
	recordLimit = processLimit

	// askLimit bounds one question to the leader of the stream.
	askLimit = 2 * time.Second

	// epochToken is the last token of the subject of messages that begin an epoch. Their text is its
	// number.
	epochToken = "=epoch"
)

// natsNames are the names of a cluster with the default prefix.
var natsNames natsconn.Options

// awaitServers waits until the NATS servers know each other, so that a stream can be made on all of
// them.
func awaitServers(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	probe := jetstream.StreamConfig{Name: "PROBE", Subjects: []string{"probe"}, Replicas: servers}
	for {
		// A question that comes during an election gets no answer, so each attempt has its own limit.
		attempt, cancel := context.WithTimeout(ctx, askLimit)
		_, err := js.CreateOrUpdateStream(attempt, probe)
		if err == nil {
			err = js.DeleteStream(attempt, probe.Name)
		}
		cancel()
		if err == nil {
			return nil
		}
		if !pause(ctx, retryPause) {
			return fmt.Errorf("the NATS servers do not become a cluster: %w", err)
		}
	}
}

// A stored message is what the leader of the stream returns.
type stored struct {
	Subject string
	Seq     uint64
	Data    []byte
	Time    time.Time
}

// errNoMessage means that the stream has no such message.
var errNoMessage = errors.New("the stream has no such message")

// messageNotFound is the code of JetStream for errNoMessage.
const messageNotFound = 10037

// ask asks the leader of the stream for a message. Replicas may be late, and so may consumers.
func ask(ctx context.Context, nc *nats.Conn, question map[string]any) (m stored, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	text, err := json.Marshal(question)
	if err != nil {
		return m, err
	}
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+natsNames.Stream(), text)
	if err != nil {
		return m, err
	}
	var answer struct {
		Message *stored
		Error   *jetstream.APIError
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return m, err
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == messageNotFound:
		return m, errNoMessage
	case answer.Error != nil:
		return m, answer.Error
	case answer.Message == nil:
		return m, fmt.Errorf("the stream answers %.100q", reply.Data)
	}
	return *answer.Message, nil
}

// lastMessage returns the newest message of a subject.
func lastMessage(ctx context.Context, nc *nats.Conn, token string) (stored, error) {
	return ask(ctx, nc, map[string]any{"last_by_subj": natsNames.Subject("ch", token)})
}

// newestInStream returns the position of a channel's newest message.
func newestInStream(ctx context.Context, nc *nats.Conn, channel string) (engine.Position, error) {
	marker, err := lastMessage(ctx, nc, epochToken)
	if err != nil {
		return engine.Position{}, err
	}
	epoch, err := strconv.ParseUint(string(marker.Data), 10, 64)
	if err != nil {
		return engine.Position{}, err
	}
	m, err := lastMessage(ctx, nc, natsconn.Encode(channel))
	return engine.Position{Epoch: epoch, Offset: m.Seq}, err
}

// recordStream appends all messages of the stream to the oracle's log. Each epoch is one life.
func recordStream(ctx context.Context, nc *nats.Conn, log *oracle.Log) (*timeline, error) {
	t := new(timeline)
	epoch := uint64(0)
	for next := uint64(1); ; {
		m, err := ask(ctx, nc, map[string]any{"seq": next, "next_by_subj": natsNames.Subject("ch", "*")})
		if errors.Is(err, errNoMessage) {
			return t, nil
		}
		if err != nil {
			if pause(ctx, retryPause) {
				continue
			}
			return nil, fmt.Errorf("read the messages of a cluster from %d: %w", next, err)
		}
		next = m.Seq + 1
		token := strings.TrimPrefix(m.Subject, natsNames.Subject("ch", ""))
		if token == epochToken {
			if epoch, err = strconv.ParseUint(string(m.Data), 10, 64); err != nil {
				return nil, err
			}
			log.Begin(epoch)
		}
		position := engine.Position{Epoch: epoch, Offset: m.Seq}
		t.entries = append(t.entries, moment{m.Time, position})
		if channel, ok := natsconn.Decode(token); ok {
			record(log, position, channel, m.Data)
		}
	}
}

// A timeline has the times of all messages in a stream, in order, by the clock of this machine.
type timeline struct{ entries []moment }

type moment struct {
	time     time.Time
	position engine.Position
}

// until returns the position of the last message that was accepted at the time or before. Whoever
// joined before that time misses no later message.
func (t *timeline) until(when time.Time) engine.Position {
	var last engine.Position
	for _, m := range t.entries {
		if last.IsZero() {
			last = engine.Position{Epoch: m.position.Epoch}
		}
		if !m.time.After(when) {
			last = m.position
		}
	}
	return last
}
