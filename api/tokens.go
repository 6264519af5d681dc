package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// createToken creates a classic token that is valid at once.
func (s *service) createToken(w http.ResponseWriter, _ *http.Request, c *call) {
	token, err := s.options.Authority.Mint(c.keyID())
	if err != nil {
		if s.refuseStore(w, err) {
			return
		}
		s.options.Log.Error("making a token failed", "error", err)
		s.refuse(w, refusedFailure, http.StatusInternalServerError, "The server could not make a token; its log says why.")
		return
	}
	s.counts.tokensCreated.Add(1)
	writeJSON(w, http.StatusOK, append(appendString([]byte(`{"token": `), token), '}'))
}

// activeTokens lists each token with at least one authenticated session once: a classic token by
// its text, as in Boreas 1.0, any other by its ID.
func (s *service) activeTokens(w http.ResponseWriter, r *http.Request, _ *call) {
	list, answered := s.identities(r.Context(), identitiesQuestion{})
	answered.setHeader(w)
	writeList(w, http.StatusOK, "tokens", list)
}

// channelTokens lists the token of each session on the channel.
func (s *service) channelTokens(w http.ResponseWriter, r *http.Request, c *call) {
	channel := c.name
	if err := access.ValidChannel(channel); err != nil {
		s.refuse(w, refusedChannel, http.StatusBadRequest, sentence(err))
		return
	}
	list, answered := s.identities(r.Context(), identitiesQuestion{&channel})
	answered.setHeader(w)
	writeList(w, http.StatusOK, "tokens", list)
}

// deleteToken revokes a token. Its sessions become anonymous or end.
func (s *service) deleteToken(w http.ResponseWriter, r *http.Request, c *call) {
	cut, err := s.revoke(r.Context(), c, auth.Revocation{Token: c.name}, 0)
	switch {
	case errors.Is(err, fault.NoToken):
		s.refuse(w, refusedToken, http.StatusNotFound, "There is no such token.")
		return
	case s.refuseStore(w, err):
		return
	case err != nil:
		s.options.Log.Error("revoking a token failed", "error", err)
		s.refuse(w, refusedFailure, http.StatusInternalServerError, "The server could not revoke the token; its log says why.")
		return
	}
	cut.setHeader(w)
	w.WriteHeader(http.StatusNoContent)
}

// setHeader names the silent nodes in a header, for answers whose body is that of Boreas 1.0.
func (a answered) setHeader(w http.ResponseWriter) {
	if len(a.silent) > 0 {
		w.Header().Set("Boreas-Silent-Nodes", strings.Join(a.silent, ", "))
	}
}

// refuseStore refuses a request that failed because the disk cannot be written to. It returns false
// if the error has another cause.
func (s *service) refuseStore(w http.ResponseWriter, err error) bool {
	if !errors.Is(err, fault.NotStored) {
		return false
	}
	fault.SetRetryAfter(w.Header(), err)
	s.refuse(w, refusedFailure, fault.NotStored.Status, fault.Message(err))
	return true
}
