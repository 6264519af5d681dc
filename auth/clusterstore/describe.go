package clusterstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// ErrNoStream means that there is no stream of tokens, keys and revocations.
var ErrNoStream = errors.New("there is no such stream: the first node of a cluster creates it")

// Describe returns what the servers say about the stream of tokens, keys and revocations. It changes
// nothing. Errors: [ErrNoStream]; the servers cannot be reached.
func Describe(ctx context.Context, servers natsconn.Options) (natsconn.StreamStatus, error) {
	nc, err := servers.Connect(ctx, "describe")
	if err != nil {
		return natsconn.StreamStatus{}, err
	}
	defer nc.Close()
	name := servers.Stream("auth")
	status, _, err := natsconn.Status(ctx, nc, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = fmt.Errorf("%s: %w", name, ErrNoStream)
	} else if err != nil {
		err = fmt.Errorf("describe the stream %s: %w", name, err)
	}
	return status, err
}

// SetReplicas makes the stream of tokens, keys and revocations have the given number of replicas, and
// reports whether it had another one. The servers copy the lines to further replicas in the background.
// Errors: [ErrNoStream]; the servers refuse the change, or cannot be reached.
func SetReplicas(ctx context.Context, servers natsconn.Options, replicas int) (changed bool, err error) {
	nc, err := servers.Connect(ctx, "apply")
	if err != nil {
		return false, err
	}
	defer nc.Close()
	name := servers.Stream("auth")
	// The raw configuration: one that went through the types of the client would lose what they do not know.
	var found struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := askOnce(ctx, nc, "STREAM.INFO."+name, struct{}{}, &found); code(err) == codeStreamNotFound {
		return false, fmt.Errorf("%s: %w", name, ErrNoStream)
	} else if err != nil {
		return false, fmt.Errorf("describe the stream %s: %w", name, err)
	}
	number := json.RawMessage(strconv.Itoa(replicas))
	if bytes.Equal(found.Config["num_replicas"], number) {
		return false, nil
	}
	found.Config["num_replicas"] = number
	if err := askOnce(ctx, nc, "STREAM.UPDATE."+name, found.Config, nil); err != nil {
		return false, fmt.Errorf("give the stream %s %d replicas: %w: start as many NATS servers with JetStream as one cluster, or give a smaller nats_replicas", name, replicas, err)
	}
	return true, nil
}

// askOnce sends a request to the JetStream API.
func askOnce(ctx context.Context, nc *nats.Conn, api string, question, answer any) error {
	data, err := json.Marshal(question)
	if err != nil {
		return err
	}
	m, err := nc.RequestWithContext(ctx, "$JS.API."+api, data)
	if err != nil {
		return err
	}
	var failure struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &failure); err != nil {
		return fmt.Errorf("the answer of NATS cannot be read: %w", err)
	}
	if failure.Error != nil {
		return failure.Error
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(m.Data, answer)
}
