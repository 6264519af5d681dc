package access

import "strings"

// This file contains the required outcomes, from docs/security.md, docs/protocol.md,
// docs/classic-wire.md and docs/http-api.md. It does not depend on the code.

// The transports.
const (
	overClassic = "classic"
	overV2      = "protocol 2"
	overSSE     = "SSE"
	overHTTP    = "HTTP"
)

var verbsOf = map[string][]string{
	overClassic: {join},
	overV2:      {join, last, publish, history, presents, watch},
	overSSE:     {join, last, watch},
	overHTTP:    {publish, history, presents},
}

// The kinds of tokens and keys.
const (
	opaque    = "opaque"
	hs256     = "HS256"
	es256     = "ES256"
	byBackend = "backend"
	classical = "classic token"
	apiKey    = "API key"
)

var kinds = []string{opaque, hs256, es256, byBackend, classical, apiKey}

// The states of a token or key. Some are there from the start, and some begin while the session
// lives.
const (
	allowed      = "allowed"
	denied       = "denied by a rule"
	noRule       = "no rule"
	expired      = "expired"
	ends         = "ends meanwhile"
	tokenRevoked = "token revoked"
	userRevoked  = "user revoked"
	keyRevoked   = "key revoked"
	allRevoked   = "issued before"
	rulesChanged = "rules changed"
	refreshed    = "refreshed in band"
)

var states = []string{allowed, denied, noRule, expired, ends, tokenRevoked, userRevoked, keyRevoked, allRevoked, rulesChanged, refreshed}

// impossible returns the reason why the combination cannot exist, or "".
func impossible(transport, kind, state string) string {
	switch {
	case kind == apiKey && transport != overHTTP:
		return "- keys are for the API"
	case state == refreshed && transport == overClassic:
		return "- gets no notice of the expiry"
	case state == refreshed && transport == overSSE:
		return "- cannot send another token"
	case state == refreshed && transport == overHTTP:
		return "- has no session"
	}
	switch kind + ", " + state {
	case classical + ", " + denied, classical + ", " + noRule, classical + ", " + rulesChanged:
		return "- has no rules"
	case classical + ", " + expired, classical + ", " + ends, classical + ", " + refreshed:
		return "- has no expiry"
	case classical + ", " + userRevoked:
		return "- has no user"
	case hs256 + ", " + rulesChanged, es256 + ", " + rulesChanged:
		return "- is signed"
	case byBackend + ", " + rulesChanged:
		return "- its rules are the backend's"
	case byBackend + ", " + keyRevoked:
		return "- no key made it"
	case apiKey + ", " + tokenRevoked, apiKey + ", " + userRevoked, apiKey + ", " + rulesChanged:
		return "- is a key"
	}
	return ""
}

// expect returns the required outcome of a verb. If the state begins later, the outcome also has
// the fate of the session and the result of the same verb with the same token or key afterwards.
func expect(transport, verb, kind, state string) string {
	if why := impossible(transport, kind, state); why != "" {
		return why
	}
	switch state {
	case allowed:
		return "ok"
	case refreshed: // the session stays, and the verb works on another channel
		return "ok, lives, ok"
	case denied, noRule, expired:
		return refusal(transport, kind, state)
	}
	return strings.Join(nonEmpty("ok", session(transport, verb, state), again(transport, kind, state)), ", ")
}

// session returns the fate of a session; HTTP has no sessions.
func session(transport, verb, state string) string {
	reason, code := "token_revoked", "4300"
	switch state {
	case ends:
		reason, code = "token_expired", "4302"
	case rulesChanged:
		reason, code = "rules_changed", "4102"
		joins := verb == join || verb == watch
		if !joins && transport != overHTTP { // other verbs are refused at the next request
			return "lives"
		}
	}
	switch {
	case transport == overHTTP:
		return ""
	case transport == overV2:
		return code + " " + reason
	case transport == overSSE:
		return "goodbye " + reason
	case state == rulesChanged: // the wire has no error that reports a lost channel
		return "1008"
	default:
		return "anonymous"
	}
}

// again returns the result of the same token or key afterwards.
func again(transport, kind, state string) string {
	switch {
	case kind == apiKey && state == allRevoked: // issued_before revokes tokens only
		return "ok"
	case kind == byBackend && state == ends: // the server asks the backend again
		return "ok"
	}
	return refusal(transport, kind, state)
}

// refusal returns the error with which a transport refuses.
func refusal(transport, kind, state string) string {
	if transport == overClassic {
		return "ignored"
	}
	switch state {
	case denied, noRule, rulesChanged:
		return "not_permitted"
	case expired, ends:
		switch kind {
		case apiKey:
			return "invalid_key"
		case byBackend: // the backend itself refuses it
			return "invalid_token"
		}
		return "token_expired"
	case tokenRevoked:
		if kind == opaque || kind == classical { // it is deleted, so the server does not know it
			return "invalid_token"
		}
	}
	if kind == apiKey {
		return "invalid_key"
	}
	return "token_revoked"
}

func nonEmpty(list ...string) (all []string) {
	for _, s := range list {
		if s != "" {
			all = append(all, s)
		}
	}
	return all
}
