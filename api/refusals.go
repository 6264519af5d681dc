package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// note records a refused call for /v2/refusals.
func (s *service) note(r *http.Request, c *call, channel string, err error) {
	e := refusal.Entry{
		Code: fault.Of(err).Code, Message: fault.Message(err), Transport: "http", Address: address(r),
		Verb: c.route.pattern, Channel: channel, TokenID: c.keyID(),
	}
	if c.grant != nil {
		e.TokenID, e.User = c.grant.TokenID, c.grant.User
	}
	s.options.Refusals.Add(e)
}

// deny refuses a call before its handler runs.
func (s *service) deny(w http.ResponseWriter, r *http.Request, c *call, err error) {
	channel := ""
	if c.route.onChannel {
		channel = c.name
	}
	if isRefusal(err) {
		s.note(r, c, channel, err)
	}
	status := fault.Of(err).Status
	if status == http.StatusUnauthorized { // the response must name a scheme (RFC 9110, section 15.5.2)
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if c.route.isV2() {
		s.fail(w, err)
		return
	}
	why := refusedKey
	switch fault.Of(err) {
	case fault.OriginNotAllowed:
		why = refusedOrigin
	case fault.HostNotAllowed:
		why = refusedHost
	}
	fault.SetRetryAfter(w.Header(), err)
	s.refuse(w, why, status, fault.Message(err))
}

// refusedJSON is a refusal in the API's format.
type refusedJSON struct {
	Time      time.Time `json:"time"`
	Count     int       `json:"count"`
	Code      string    `json:"code"`
	Message   string    `json:"message"`
	Do        string    `json:"do,omitempty"`
	Transport string    `json:"transport"`
	Address   string    `json:"address,omitempty"`
	Session   string    `json:"session,omitempty"`
	Token     string    `json:"token,omitempty"`
	User      string    `json:"user,omitempty"`
	Verb      string    `json:"verb,omitempty"`
	Channel   string    `json:"channel,omitempty"`
	Rule      string    `json:"rule,omitempty"`
}

// listRefusals lists recent refusals, newest first.
func (s *service) listRefusals(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	found := s.options.Refusals.Find(refusal.Filter{
		Session: q.values["session"], TokenID: q.values["token"], User: q.values["user"], Address: q.values["address"],
	}, limit)
	dst = append(dst, `{"refusals":[`...)
	for i, e := range found {
		if i > 0 {
			dst = append(dst, ',')
		}
		rule := ""
		if e.Channel != "" {
			rule = s.hub.Rule(e.Channel).Text
		}
		dst = appendJSON(dst, refusedJSON{
			e.Time.UTC().Truncate(time.Second), e.Count, e.Code, e.Message, advice(e.Code), e.Transport, e.Address,
			e.Session, e.TokenID, e.User, e.Verb, e.Channel, rule,
		})
	}
	dst = strconv.AppendUint(append(dst, `],"total":`...), s.options.Refusals.Total(), 10)
	return append(dst, '}'), http.StatusOK, nil
}

// advice returns what the table of errors says to do about a code.
func advice(code string) string {
	for _, f := range fault.All() {
		if f.Code == code {
			return f.Do
		}
	}
	return ""
}
