package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// This file is about the channels of all nodes. Their logs are the same on each node, but each node
// knows only its own subscribers.

// A channelsQuestion asks for a page of channels.
type channelsQuestion struct {
	Prefix string `json:"prefix"`
	After  string `json:"after"`
	Limit  int    `json:"limit"`
}

// A channelsAnswer has the channels that a node uses, sorted by name.
type channelsAnswer struct {
	Channels []channelCount `json:"channels"`
	More     bool           `json:"more,omitempty"`
}

type channelCount struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
}

// maxSubscribers is the largest plausible number of subscribers of one node. It is more than
// max_connections allows, and a sum over 100 nodes fits in an int of 32 bits.
const maxSubscribers = 1 << 24

// check checks the answer of another node.
func (a *channelsAnswer) check(q *channelsQuestion) error {
	if len(a.Channels) > q.Limit {
		return fmt.Errorf("it has %d channels, more than %d", len(a.Channels), q.Limit)
	}
	last := q.After
	for _, c := range a.Channels {
		if err := access.ValidChannel(c.Channel); err != nil {
			return err
		}
		if !strings.HasPrefix(c.Channel, q.Prefix) || c.Channel <= last {
			return errors.New("the channels are not in order, or are others than those that were asked for")
		}
		last = c.Channel
		if err := checkCount(c.Subscribers); err != nil {
			return err
		}
	}
	return nil
}

func checkCount(n int) error {
	if n < 0 || n > maxSubscribers {
		return fmt.Errorf("a number of sessions is %d", n)
	}
	return nil
}

// channels describes the first channels of all nodes.
func (s *service) channels(ctx context.Context, q channelsQuestion) (list []boreas.ChannelInfo, more bool, _ answered, err error) {
	pages, answered := ask(ctx, s, askChannels, q, func(_ string, a *channelsAnswer) error { return a.check(&q) })
	if answered.nodes == 0 {
		list, more, err = s.hub.ListChannels(ctx, q.Prefix, q.After, q.Limit)
		return list, more, answered, err
	}
	names, more, err := s.hub.ChannelNames(ctx, q.Prefix, q.After, q.Limit)
	if err != nil {
		return nil, false, answered, err
	}
	// A channel on the page is one of the first of each node that uses it, so its node has counted
	// its subscribers.
	subscribers := make(map[string]int)
	for _, page := range pages {
		more = more || page.More
		for _, c := range page.Channels {
			names = append(names, c.Channel)
			subscribers[c.Channel] += c.Subscribers
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > q.Limit {
		names, more = names[:q.Limit], true
	}
	for _, name := range names {
		info, err := s.hub.Channel(ctx, name)
		if err != nil {
			return nil, false, answered, err
		}
		info.Subscribers += subscribers[name]
		list = append(list, info)
	}
	return list, more, answered, nil
}

// A channelQuestion names a channel.
type channelQuestion struct {
	Channel string `json:"channel"`
}

type subscribersAnswer struct {
	Subscribers int `json:"subscribers"`
}

// channel describes a channel, with the subscribers of all nodes.
func (s *service) channel(ctx context.Context, name string) (boreas.ChannelInfo, answered, error) {
	info, err := s.hub.Channel(ctx, name)
	if err != nil {
		return info, answered{}, err
	}
	answers, answered := ask(ctx, s, askSubscribers, channelQuestion{name}, func(_ string, a *subscribersAnswer) error { return checkCount(a.Subscribers) })
	for _, a := range answers {
		info.Subscribers += a.Subscribers
	}
	return info, answered, nil
}

// An identitiesQuestion asks for the identities of the sessions on a channel, or of all sessions if
// Channel is nil.
type identitiesQuestion struct {
	Channel *string `json:"channel,omitempty"`
}

type identitiesAnswer struct {
	Identities []string `json:"identities"`
}

// identities returns the identities of the sessions of all nodes, sorted: each once, or one for each
// session on the channel.
func (s *service) identities(ctx context.Context, q identitiesQuestion) ([]string, answered) {
	list := s.ownIdentities(&q)
	answers, answered := ask[identitiesQuestion, identitiesAnswer](ctx, s, askIdentities, q, nil)
	for _, a := range answers {
		list = append(list, a.Identities...)
	}
	slices.Sort(list)
	if q.Channel == nil {
		list = slices.Compact(list)
	}
	return list, answered
}

func (s *service) ownIdentities(q *identitiesQuestion) []string {
	if q.Channel == nil {
		return append([]string{}, s.hub.Identities()...)
	}
	return s.hub.ChannelIdentities(*q.Channel)
}

func (s *service) answerChannels(_ context.Context, q *channelsQuestion) (any, error) {
	if q.Limit < 1 || q.Limit > maxLimit {
		return nil, fmt.Errorf("the limit of channels is %d", q.Limit)
	}
	list, more := s.hub.ChannelCounts(q.Prefix, q.After, q.Limit)
	a := channelsAnswer{Channels: make([]channelCount, len(list)), More: more}
	for i, c := range list {
		a.Channels[i] = channelCount{c.Name, c.Sessions}
	}
	return a, nil
}

func (s *service) answerSubscribers(_ context.Context, q *channelQuestion) (any, error) {
	return subscribersAnswer{s.hub.Subscribers(q.Channel)}, nil
}

func (s *service) answerIdentities(_ context.Context, q *identitiesQuestion) (any, error) {
	return identitiesAnswer{s.ownIdentities(q)}, nil
}
