package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
)

// maxScan is the maximum number of sessions that one request examines to find those of one user or
// token.
const maxScan = 10_000

// listSessions lists live sessions: page by page, or the first ones in another order.
func (s *service) listSessions(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	wanted := sessionsQuestion{After: q.values["after"], Limit: limit}
	if user, given := q.values["user"]; given {
		wanted.User = &user
	}
	if token, given := q.values["token"]; given {
		wanted.Token = &token
	}
	if order, given := q.values["order"]; given {
		return s.listTopSessions(dst, r, wanted, order)
	}
	own, err := s.sessions(&wanted)
	if err != nil {
		return nil, 0, malformed("The parameter after is %.40q: it must be the value of next in the previous page.", wanted.After)
	}
	page, answered := s.sessionsOfNodes(r.Context(), wanted, own)
	dst = appendSessions(dst, page.Sessions)
	if page.More {
		dst = appendString(append(dst, `,"next":`...), page.Last)
	}
	return append(answered.append(dst), '}'), http.StatusOK, nil
}

// appendSessions appends the beginning of an answer with sessions.
func appendSessions(dst []byte, sessions []sessionRow) []byte {
	dst = append(dst, `{"sessions":[`...)
	for i := range sessions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(sessions[i].append(dst), '}')
	}
	return append(dst, ']')
}

// A sessionsQuestion asks for a page of sessions.
type sessionsQuestion struct {
	After string  `json:"after"`
	Limit int     `json:"limit"`
	User  *string `json:"user,omitempty"`  // only the sessions of this user
	Token *string `json:"token,omitempty"` // only the sessions whose token has this ID
}

// wants reports whether the question is also about sessions of the user and with the token.
func (q *sessionsQuestion) wants(user, token string) bool {
	return (q.User == nil || user == *q.User) && (q.Token == nil || token == *q.Token)
}

// A sessionsPage is a page of sessions in the order of [boreas.Hub.ListSessions].
type sessionsPage struct {
	Sessions []sessionRow `json:"sessions"`
	Last     string       `json:"last,omitempty"` // the last session that was examined
	More     bool         `json:"more,omitempty"` // further sessions may follow after Last
}

// sessions returns a page of the sessions of this node.
func (s *service) sessions(q *sessionsQuestion) (page sessionsPage, err error) {
	size := q.Limit
	if q.User != nil || q.Token != nil {
		size = maxLimit
	}
	page = sessionsPage{Sessions: []sessionRow{}, Last: q.After, More: true}
	for looked := 0; page.More && len(page.Sessions) < q.Limit && looked < maxScan; {
		var list []boreas.SessionInfo
		if list, page.More, err = s.hub.ListSessions(page.Last, size); err != nil {
			return page, err
		}
		looked += len(list)
		for i, session := range list {
			page.Last = session.ID
			if !q.wants(session.User, session.TokenID) {
				continue
			}
			page.Sessions = append(page.Sessions, newSessionRow(session))
			if len(page.Sessions) == q.Limit {
				page.More = page.More || i < len(list)-1
				break
			}
		}
	}
	return page, nil
}

// sessionInfo describes a session and lists its channels.
func (s *service) sessionInfo(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	row, answered, err := s.findSession(r.Context(), q.name)
	if err != nil {
		return nil, 0, err
	}
	dst = appendStrings(append(row.append(dst), `,"channels":`...), row.Channels)
	dst = append(dst, `,"places":[`...)
	for i, p := range row.Places {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, p)
	}
	dst = append(dst, ']')
	return append(answered.append(dst), '}'), http.StatusOK, nil
}

// endSession ends a session for good: the server asks its client not to reconnect.
func (s *service) endSession(_ []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := s.endSessionAnywhere(r.Context(), q.name); err != nil {
		return nil, 0, err
	}
	s.counts.sessionsEnded.Add(1)
	return nil, http.StatusNoContent, nil
}

// A sessionRow describes a session, in the form that nodes send each other.
type sessionRow struct {
	ID        string    `json:"id"`
	User      string    `json:"user,omitempty"`
	Token     string    `json:"token,omitempty"`
	Expires   time.Time `json:"expires,omitzero"` // zero for never
	Transport string    `json:"transport"`
	Address   string    `json:"address,omitempty"`
	Since     time.Time `json:"since"`
	Joined    int       `json:"joined"`             // the number of joined channels
	Channels  []string  `json:"channels,omitempty"` // their names, only in the answer about one session
	Behind    int       `json:"behind,omitempty"`
	Blocked   int64     `json:"blocked_ms,omitempty"`
	Sent      uint64    `json:"sent,omitempty"`
	Gaps      uint64    `json:"gaps,omitempty"`
	Places    []place   `json:"places,omitempty"` // only in the answer about one session
}

// A place is a session's place in a channel.
type place struct {
	Channel  string `json:"channel"`
	Position string `json:"position"`
	Behind   int    `json:"behind"`
}

// newSessionRow returns the row of a list. It has the number of joined channels, not their names:
// 1,000 sessions with 1,000 channels each would be a million names.
func newSessionRow(i boreas.SessionInfo) sessionRow {
	return sessionRow{
		ID: i.ID, User: i.User, Token: i.TokenID, Expires: i.Expires, Transport: i.Transport, Address: i.Address, Since: i.Since,
		Joined: len(i.Channels), Behind: i.Behind, Blocked: i.Blocked.Milliseconds(), Sent: i.Sent, Gaps: i.Gaps,
	}
}

// append appends the session, without the closing brace.
func (r *sessionRow) append(dst []byte) []byte {
	dst = appendString(append(dst, `{"session":`...), r.ID)
	if r.User != "" {
		dst = appendString(append(dst, `,"user":`...), r.User)
	}
	if r.Token != "" {
		dst = appendString(append(dst, `,"token":`...), r.Token)
	}
	if !r.Expires.IsZero() {
		dst = append(r.Expires.UTC().AppendFormat(append(dst, `,"expires":"`...), time.RFC3339), '"')
	}
	dst = appendString(append(dst, `,"transport":`...), r.Transport)
	if r.Address != "" {
		dst = appendString(append(dst, `,"address":`...), r.Address)
	}
	dst = r.Since.UTC().AppendFormat(append(dst, `,"since":"`...), time.RFC3339)
	dst = strconv.AppendInt(append(dst, `","joined":`...), int64(r.Joined), 10)
	dst = strconv.AppendInt(append(dst, `,"behind":`...), int64(r.Behind), 10)
	dst = strconv.AppendInt(append(dst, `,"blocked_ms":`...), r.Blocked, 10)
	dst = strconv.AppendUint(append(dst, `,"sent":`...), r.Sent, 10)
	return strconv.AppendUint(append(dst, `,"gaps":`...), r.Gaps, 10)
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
