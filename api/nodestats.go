package api

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file is about the counters of all nodes.

// A statsAnswer has the counters of a node, in the format of GET /v2/stats.
type statsAnswer struct {
	Stats json.RawMessage `json:"stats"`

	parsed boreas.Stats
}

// statsOf returns the counters of a node, or the sum over all nodes if node is "". The sum does not
// have Engine.Store, because a store that nodes share would count several times.
func (s *service) statsOf(ctx context.Context, node string) (boreas.Stats, answered, error) {
	if s.options.Nodes == nil && node != "" {
		return boreas.Stats{}, answered{}, malformed("The parameter node is %.40q, but this server is not a node of a cluster: omit it.", node)
	}
	own := s.hub.Stats()
	if s.options.Nodes == nil || node == s.options.Node {
		return own, s.alone(), nil
	}
	answers, answered := ask(ctx, s, askStats, struct{}{}, func(_ string, a *statsAnswer) error {
		return readStruct(a.Stats, reflect.ValueOf(&a.parsed).Elem())
	})
	if node != "" {
		if a := answers[node]; a != nil {
			return a.parsed, answered, nil
		}
		if err := answered.without(node); err != nil {
			return boreas.Stats{}, answered, err
		}
		return boreas.Stats{}, answered, fault.NotFound.With(fmt.Sprintf("No live node has the name %.40q. The other live nodes: %s.", node, strings.Join(s.options.Nodes.Names(), ", ")))
	}
	own.Engine.Store = nil
	for _, a := range answers {
		addStruct(reflect.ValueOf(&own).Elem(), reflect.ValueOf(a.parsed))
	}
	return own, answered, nil
}

// maxStat is the largest plausible counter of one node. A sum over nodes does not overflow.
const maxStat = 1 << 56

// readStruct is the inverse of appendStruct. It leaves out pointers. A missing member is zero, for
// nodes of an older version, and unknown members are ignored.
func readStruct(text json.RawMessage, v reflect.Value) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	for i := range v.NumField() {
		name := snakeCase(v.Type().Field(i).Name)
		text, there := members[name]
		if !there {
			continue
		}
		if err := readField(text, v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func readField(text json.RawMessage, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		return readStruct(text, v)
	case reflect.Pointer:
		return nil
	}
	if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
		return err
	}
	return checkStat(v)
}

// checkStat refuses counters that are negative or too large.
func checkStat(v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			if err := checkStat(v.Index(i)); err != nil {
				return err
			}
		}
	case v.CanInt() && (v.Int() < 0 || v.Int() > maxStat), v.CanUint() && v.Uint() > maxStat:
		return fmt.Errorf("the number %v is not plausible", v.Interface())
	}
	return nil
}

// addStruct adds the numbers of a struct to those of another one of the same type.
func addStruct(to, v reflect.Value) {
	for i := range v.NumField() {
		addField(to.Field(i), v.Field(i))
	}
}

func addField(to, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		addStruct(to, v)
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			addField(to.Index(i), v.Index(i))
		}
	case v.CanInt():
		to.SetInt(to.Int() + v.Int())
	case v.CanUint():
		to.SetUint(to.Uint() + v.Uint())
	}
}

func (s *service) answerStats(context.Context, *struct{}) (any, error) {
	return statsAnswer{Stats: appendStruct(nil, reflect.ValueOf(s.hub.Stats()))}, nil
}
