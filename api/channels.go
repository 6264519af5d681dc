package api

import (
	"net/http"
	"strconv"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
)

// listChannels lists channels by name, page by page.
func (s *service) listChannels(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	list, more, err := s.hub.ListChannels(r.Context(), q.values["prefix"], q.values["after"], limit)
	if err != nil {
		return nil, 0, err
	}
	dst = append(dst, `{"channels":[`...)
	for i, c := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendChannel(dst, c)
	}
	dst = append(dst, ']')
	if more {
		dst = appendString(append(dst, `,"next":`...), list[len(list)-1].Name)
	}
	return append(dst, '}'), http.StatusOK, nil
}

// channelInfo describes a channel. Every valid name is a channel.
func (s *service) channelInfo(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	info, err := s.hub.Channel(r.Context(), q.name)
	if err != nil {
		return nil, 0, err
	}
	return appendChannel(dst, info), http.StatusOK, nil
}

func appendChannel(dst []byte, c boreas.ChannelInfo) []byte {
	dst = appendString(append(dst, `{"channel":`...), c.Name)
	dst = strconv.AppendInt(append(dst, `,"subscribers":`...), int64(c.Subscribers), 10)
	dst = c.Head.Append(append(dst, `,"position":"`...))
	dst = c.Oldest.Append(append(dst, `","oldest":"`...))
	dst = append(dst, `","rule":`...)
	if c.Rule.Text == "" {
		return append(dst, "null}"...)
	}
	return append(appendString(dst, c.Rule.Text), '}')
}

// presence returns the users on a channel.
func (s *service) presence(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	state, err := s.hub.Presence(q.name)
	if err != nil {
		return nil, 0, err
	}
	return appendPresence(dst, q.name, state), http.StatusOK, nil
}

func appendPresence(dst []byte, channel string, p boreas.PresenceState) []byte {
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
		if m.Info != nil {
			dst = append(append(dst, `,"info":`...), m.Info...)
		}
		if m.Verified {
			dst = append(dst, `,"verified":true`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}
