package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// maxQuestions is the maximum number of questions about a token in one request.
const maxQuestions = 100

// A question asks whether a token allows a verb on a channel.
type question struct {
	verb    access.Verb
	channel string
}

// grantJSON is a valid token of any kind in the API's format.
type grantJSON struct {
	Valid   bool            `json:"valid"`
	Kind    string          `json:"kind"`
	ID      string          `json:"id"`
	User    string          `json:"user,omitempty"`
	Issued  *string         `json:"issued,omitempty"`
	Expires *string         `json:"expires,omitempty"`
	Rules   json.RawMessage `json:"rules,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`
	Key     string          `json:"key,omitempty"`
	Can     []answerJSON    `json:"can,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

type answerJSON struct {
	Verb    string `json:"verb"`
	Channel string `json:"channel"`
	Allowed bool   `json:"allowed"`
	By      string `json:"by"`
}

// inspectToken responds whether a token is valid, which of the questions it allows, and by which
// rule.
func (s *service) inspectToken(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	o, err := s.readObject(w, r, q.call, "token", "can")
	if err != nil {
		return nil, 0, err
	}
	token, err := o.text("token", maxCredential)
	if err != nil {
		return nil, 0, err
	}
	if token == "" {
		return nil, 0, malformed("`token` is required.")
	}
	questions, err := o.questions()
	if err != nil {
		return nil, 0, err
	}
	g, err := s.options.Authority.Check(access.Credentials{Token: token})
	switch fault.Of(err) {
	case nil:
	case fault.AuthUnavailable, fault.Internal: // the token's validity is unknown
		return nil, 0, err
	default:
		refused := s.appendError(nil, err) // an object with one member
		return append(append(dst, `{"valid":false,`...), refused[1:]...), http.StatusOK, nil
	}
	answer := grantJSON{
		Valid: true, Kind: g.Kind, ID: g.TokenID, User: g.User, Key: g.Key,
		Issued: timeJSON(g.Issued), Expires: timeJSON(g.Expires), Rules: rulesJSON(g.Permissions), Info: json.RawMessage(g.Info),
		Warnings: g.Permissions.DotWarnings(g.User, s.ruleText),
	}
	for _, q := range questions {
		answer.Can = append(answer.Can, s.answer(g, q))
	}
	return appendJSON(dst, answer), http.StatusOK, nil
}

// questions parses the questions about a token.
func (o object) questions() ([]question, error) {
	if !o.has("can") {
		return nil, nil
	}
	var list []json.RawMessage
	if o["can"][0] != '[' || json.Unmarshal(o["can"], &list) != nil {
		return nil, malformed("`can` must be a list of objects.")
	}
	if len(list) > maxQuestions {
		return nil, malformed("`can` has %d questions, more than %d.", len(list), maxQuestions)
	}
	questions := make([]question, len(list))
	for i, text := range list {
		item, err := parseObject("Question "+strconv.Itoa(i+1)+" of `can`", text, []string{"verb", "channel"})
		if err != nil {
			return nil, err
		}
		verb, err := item.text("verb", maxLabel)
		if err != nil {
			return nil, err
		}
		if questions[i].verb, err = access.ParseVerb(verb); err != nil {
			return nil, malformed("`verb`: %v.", err)
		}
		if questions[i].channel, err = item.text("channel", maxCredential); err != nil {
			return nil, err
		}
		if err := access.ValidChannel(questions[i].channel); err != nil {
			return nil, err
		}
	}
	return questions, nil
}

// answer returns whether the grant allows the question, and why. For publishing, the channel's rule
// must also allow clients to publish.
func (s *service) answer(g *access.Grant, q question) answerJSON {
	d := g.Permissions.Decide(q.verb, q.channel)
	a := answerJSON{q.verb.String(), q.channel, d.Allowed, g.Permissions.Explain(q.verb, d)}
	if d.Allowed && q.verb == access.VerbPublish && !s.hub.Rule(q.channel).ClientPublish {
		a.Allowed, a.By = false, "the channel's rule does not let clients publish (client_publish)"
	}
	return a
}

var errNoRevocation = fault.NotFound.With("There is no such revocation.")

// ruleText returns the text of the rule that applies to a channel, or "" if no rule does.
func (s *service) ruleText(channel string) string { return s.hub.Rule(channel).Text }
