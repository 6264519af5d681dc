package api

import (
	"net/http"
	"strconv"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// listChannels lists channels: page by page by name, or the first ones in another order.
func (s *service) listChannels(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	if order, given := q.values["order"]; given {
		return s.listTopChannels(dst, r, q, order, limit)
	}
	list, more, answered, err := s.channels(r.Context(), channelsQuestion{q.values["prefix"], q.values["after"], limit})
	if err != nil {
		return nil, 0, err
	}
	dst = appendChannels(dst, list)
	if more {
		dst = appendString(append(dst, `,"next":`...), list[len(list)-1].Name)
	}
	return append(answered.append(dst), '}'), http.StatusOK, nil
}

// appendChannels appends the beginning of an answer with channels.
func appendChannels(dst []byte, list []boreas.ChannelInfo) []byte {
	dst = append(dst, `{"channels":[`...)
	for i, c := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendChannel(dst, c), '}')
	}
	return append(dst, ']')
}

// channelInfo describes a channel. Every valid name is a channel.
func (s *service) channelInfo(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	info, answered, err := s.channel(r.Context(), q.name)
	if err != nil {
		return nil, 0, err
	}
	return append(answered.append(appendChannel(dst, info)), '}'), http.StatusOK, nil
}

// appendChannel appends a channel, without the closing brace.
func appendChannel(dst []byte, c boreas.ChannelInfo) []byte {
	dst = appendString(append(dst, `{"channel":`...), c.Name)
	dst = strconv.AppendInt(append(dst, `,"subscribers":`...), int64(c.Subscribers), 10)
	dst = c.Head.Append(append(dst, `,"position":"`...))
	dst = c.Oldest.Append(append(dst, `","oldest":"`...))
	dst = append(dst, `","rule":`...)
	if c.Rule.Text == "" {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, c.Rule.Text)
	}
	return strconv.AppendUint(append(dst, `,"published":`...), c.Published, 10)
}

// presence returns the users on a channel. The info of a user is a payload, which not every caller may
// see.
func (s *service) presence(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	state, err := s.hub.Presence(q.name)
	if err != nil {
		return nil, 0, err
	}
	return appendPresence(dst, q.name, state, q.seesPayloads()), http.StatusOK, nil
}

func appendPresence(dst []byte, channel string, p boreas.PresenceState, info bool) []byte {
	dst = appendString(append(dst, `{"channel":`...), channel)
	dst = strconv.AppendInt(append(dst, `,"users":`...), int64(p.Users), 10)
	dst = strconv.AppendInt(append(dst, `,"sessions":`...), int64(p.Sessions), 10)
	if p.Members == nil {
		return append(dst, '}')
	}
	dst = append(dst, `,"members":[`...)
	for i, m := range p.Members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"user":`...), m.User)
		dst = appendStrings(append(dst, `,"sessions":`...), m.Sessions)
		if m.Info != nil && info {
			dst = append(append(dst, `,"info":`...), m.Info...)
		}
		if m.Verified {
			dst = append(dst, `,"verified":true`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}
