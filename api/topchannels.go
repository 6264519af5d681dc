package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// This file is about the first channels in an order other than that of their names.

// The values of the parameter order. A list in one of these orders has no pages, because the channels
// change their places all the time.
const (
	orderSubscribers = "subscribers"
	orderMessages    = "messages"
)

// A topChannelsQuestion asks how many subscribers channels have: those that have the most on a node,
// and those that are named.
type topChannelsQuestion struct {
	Prefix string   `json:"prefix"`
	Limit  int      `json:"limit"`
	Names  []string `json:"names,omitempty"`
}

// check checks the answer of another node.
func (q *topChannelsQuestion) check(a *channelsAnswer) error {
	if most := q.Limit + len(q.Names); len(a.Channels) > most {
		return fmt.Errorf("it has %d channels, more than %d", len(a.Channels), most)
	}
	for _, c := range a.Channels {
		if err := cmp.Or(access.ValidChannel(c.Channel), checkCount(c.Subscribers)); err != nil {
			return err
		}
		if !strings.HasPrefix(c.Channel, q.Prefix) {
			return fmt.Errorf("it has the channel %.40q, which was not asked for", c.Channel)
		}
	}
	return nil
}

// listTopChannels lists the first channels of all nodes in an order.
func (s *service) listTopChannels(dst []byte, r *http.Request, q query, order string, limit int) ([]byte, int, error) {
	if order != orderSubscribers && order != orderMessages {
		return nil, 0, malformed("The parameter order is %.40q: it must be %s or %s.", order, orderSubscribers, orderMessages)
	}
	if q.values["after"] != "" {
		return nil, 0, malformed("The parameter after cannot be used with order: the list has no further pages. Use a higher limit.")
	}
	names := s.topNames(r.Context(), order, q.values["prefix"], limit)
	subscribers, answered := s.subscribersOf(r.Context(), topChannelsQuestion{Prefix: q.values["prefix"], Names: names})
	list := make([]boreas.ChannelInfo, len(names))
	for i, name := range names {
		var err error
		if list[i], err = s.hub.Channel(r.Context(), name); err != nil {
			return nil, 0, err
		}
		list[i].Subscribers = subscribers[name]
	}
	slices.SortStableFunc(list, func(a, b boreas.ChannelInfo) int {
		if order == orderMessages {
			return cmp.Compare(b.Published, a.Published)
		}
		return cmp.Compare(b.Subscribers, a.Subscribers)
	})
	return append(answered.append(appendChannels(dst, list)), '}'), http.StatusOK, nil
}

// topNames returns the names of the first channels of all nodes in an order.
func (s *service) topNames(ctx context.Context, order, prefix string, limit int) []string {
	names := []string{}
	if order == orderMessages { // each node has all messages
		for _, c := range s.hub.MostPublished(prefix, limit) {
			names = append(names, c.Channel)
		}
		return names
	}
	// Each node names as many as it may, because a channel can be far down on each node and near the
	// top in sum.
	sums, _ := s.subscribersOf(ctx, topChannelsQuestion{Prefix: prefix, Limit: maxLimit})
	names = slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), strings.Compare(a, b))
	})
	return names[:min(len(names), limit)]
}

// subscribersOf answers a question with the sums over all nodes.
func (s *service) subscribersOf(ctx context.Context, q topChannelsQuestion) (map[string]int, answered) {
	answers, answered := ask(ctx, s, askTopChannels, q, func(_ string, a *channelsAnswer) error { return q.check(a) })
	sums := make(map[string]int)
	for _, a := range append(slices.Collect(maps.Values(answers)), s.ownSubscribers(&q)) {
		for _, c := range a.Channels {
			sums[c.Channel] += c.Subscribers
		}
	}
	return sums, answered
}

// ownSubscribers answers a question for this node.
func (s *service) ownSubscribers(q *topChannelsQuestion) *channelsAnswer {
	a := &channelsAnswer{Channels: []channelCount{}}
	for _, c := range s.hub.MostSubscribed(q.Prefix, q.Limit) {
		a.Channels = append(a.Channels, channelCount{c.Name, c.Sessions})
	}
	for _, name := range q.Names {
		a.Channels = append(a.Channels, channelCount{name, s.hub.Subscribers(name)})
	}
	return a
}

func (s *service) answerTopChannels(_ context.Context, q *topChannelsQuestion) (any, error) {
	if q.Limit < 0 || q.Limit > maxLimit || len(q.Names) > maxLimit {
		return nil, fmt.Errorf("the limit of channels is %d, and %d are named", q.Limit, len(q.Names))
	}
	return s.ownSubscribers(q), nil
}
