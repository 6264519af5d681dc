package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// maxScan is the maximum number of sessions that one request examines to find those of one user or
// token.
const maxScan = 10_000

// listSessions lists live sessions, page by page.
func (s *service) listSessions(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	user, byUser := q.values["user"]
	token, byToken := q.values["token"]
	some := byUser || byToken
	after, found, more := q.values["after"], 0, true
	dst = append(dst, `{"sessions":[`...)
	for looked := 0; more && found < limit && looked < maxScan; {
		page := limit
		if some {
			page = maxLimit
		}
		var list []boreas.SessionInfo
		if list, more, err = s.hub.ListSessions(after, page); err != nil {
			return nil, 0, malformed("The parameter after is %.40q: it must be the value of next in the previous page.", after)
		}
		looked += len(list)
		for i, session := range list {
			after = session.ID
			if byUser && session.User != user || byToken && session.TokenID != token {
				continue
			}
			if found++; found > 1 {
				dst = append(dst, ',')
			}
			dst = append(appendSession(dst, session), '}')
			if found == limit {
				more = more || i < len(list)-1
				break
			}
		}
	}
	dst = append(dst, ']')
	if more {
		dst = appendString(append(dst, `,"next":`...), after)
	}
	return append(dst, '}'), http.StatusOK, nil
}

// sessionInfo describes a session and lists its channels.
func (s *service) sessionInfo(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	info, err := s.hub.SessionInfo(q.name)
	if err != nil {
		return nil, 0, err
	}
	dst = appendStrings(append(appendSession(dst, info), `,"channels":`...), info.Channels)
	return append(dst, '}'), http.StatusOK, nil
}

// endSession ends a session for good: the server asks its client not to reconnect.
func (s *service) endSession(_ []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	if err := s.hub.EndSession(q.name, boreas.ErrTerminated); err != nil {
		return nil, 0, err
	}
	s.counts.sessionsEnded.Add(1)
	return nil, http.StatusNoContent, nil
}

// appendSession appends a session for a list, without the closing brace. It appends the number of
// joined channels, not their names: 1,000 sessions with 1,000 channels each would be a million
// names.
func appendSession(dst []byte, i boreas.SessionInfo) []byte {
	dst = appendString(append(dst, `{"session":`...), i.ID)
	if i.User != "" {
		dst = appendString(append(dst, `,"user":`...), i.User)
	}
	if i.TokenID != "" {
		dst = appendString(append(dst, `,"token":`...), i.TokenID)
	}
	if !i.Expires.IsZero() {
		dst = append(i.Expires.UTC().AppendFormat(append(dst, `,"expires":"`...), time.RFC3339), '"')
	}
	dst = appendString(append(dst, `,"transport":`...), i.Transport)
	if i.Address != "" {
		dst = appendString(append(dst, `,"address":`...), i.Address)
	}
	dst = i.Since.UTC().AppendFormat(append(dst, `,"since":"`...), time.RFC3339)
	return strconv.AppendInt(append(dst, `","joined":`...), int64(len(i.Channels)), 10)
}

// appendStrings appends a list of strings.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}
