package api

import (
	"net/http"

	"github.com/boreas-pubsub/boreas"
)

// createToken makes a token that is valid at once.
func (s *service) createToken(w http.ResponseWriter, _ *http.Request, _ string) {
	token, err := s.options.Tokens.Mint()
	if err != nil {
		s.options.Log.Error("making a token failed", "error", err)
		s.refuse(w, refusedFailure, http.StatusInternalServerError, "The server could not make a token; its log says why.")
		return
	}
	s.counts.tokensCreated.Add(1)
	writeJSON(w, http.StatusOK, append(appendString([]byte(`{"token": `), token), '}'))
}

// activeTokens lists each token with at least one authenticated session, once.
func (s *service) activeTokens(w http.ResponseWriter, _ *http.Request, _ string) {
	writeList(w, http.StatusOK, "tokens", s.hub.Identities())
}

// channelTokens lists the token of each session on the channel.
func (s *service) channelTokens(w http.ResponseWriter, _ *http.Request, channel string) {
	if err := boreas.ValidChannel(channel); err != nil {
		s.refuse(w, refusedChannel, http.StatusBadRequest, sentence(err))
		return
	}
	writeList(w, http.StatusOK, "tokens", s.hub.ChannelIdentities(channel))
}

// deleteToken revokes a token and then makes its sessions anonymous. In this order
// no session gets in by the token in between and stays.
func (s *service) deleteToken(w http.ResponseWriter, _ *http.Request, token string) {
	if !s.options.Tokens.Delete(token) {
		s.refuse(w, refusedToken, http.StatusNotFound, "There is no such token.")
		return
	}
	s.hub.Cut(func(g *boreas.Grant) bool { return g.Identity == token }, 0)
	s.counts.tokensDeleted.Add(1)
	w.WriteHeader(http.StatusNoContent)
}
