package api

import (
	"net/http"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// maxKeyChannels is the maximum number of patterns of a key. Each use of the key compares with all
// of them.
const maxKeyChannels = 100

// keyJSON is a key in the API's format.
type keyJSON struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Verbs    []string `json:"verbs"`
	Channels []string `json:"channels,omitempty"`
	Created  *string  `json:"created,omitempty"`
	Expires  *string  `json:"expires,omitempty"`
	LastUsed *string  `json:"last_used,omitempty"`
}

func newKeyJSON(k auth.Key) keyJSON {
	verbs := []string{}
	for verb := auth.KeyPublish; verb <= auth.KeyAdmin; verb <<= 1 {
		if k.Verbs&verb != 0 {
			verbs = append(verbs, verb.String())
		}
	}
	return keyJSON{k.ID, k.Name, verbs, k.Channels, timeJSON(k.Created), timeJSON(k.Expires), timeJSON(k.LastUsed)}
}

// newKey creates a key that is valid at once. Only this response contains its text.
func (s *service) newKey(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	o, err := s.readObject(w, r, q.call, "name", "verbs", "channels", "ttl", "expires")
	if err != nil {
		return nil, 0, err
	}
	k := auth.Key{Key: q.keyID()}
	if k.Name, err = o.text("name", maxLabel); err != nil {
		return nil, 0, err
	}
	if k.Name == "" {
		return nil, 0, malformed("`name` is required: the name of the key.")
	}
	if k.Verbs, err = o.keyVerbs(); err != nil {
		return nil, 0, err
	}
	if k.Channels, err = o.patterns("channels"); err != nil {
		return nil, 0, err
	}
	if k.Expires, err = o.expires(); err != nil {
		return nil, 0, err
	}
	text, made, err := s.options.Authority.CreateKey(k)
	if err != nil {
		return nil, 0, err
	}
	s.options.Log.Info("an API key was made", "key", made.ID, "name", made.Name, "verbs", made.Verbs.String(), "by", q.by())
	return appendJSON(dst, struct {
		Key string `json:"key"`
		keyJSON
	}{text, newKeyJSON(made)}), http.StatusCreated, nil
}

// keyVerbs returns the verbs of a key. At least one is required.
func (o object) keyVerbs() (auth.KeyVerb, error) {
	names, err := o.texts("verbs")
	if err != nil {
		return 0, err
	}
	var verbs auth.KeyVerb
	for _, name := range names {
		verb, err := auth.ParseKeyVerb(name)
		if err != nil {
			return 0, malformed("`verbs`: %v.", err)
		}
		verbs |= verb
	}
	if verbs == 0 {
		return 0, malformed("`verbs` is required: a list of the verbs that the key allows.")
	}
	return verbs, nil
}

// patterns returns a list of channel patterns, or nil if the member is missing. An empty list is an
// error, because it would be taken for a missing one and allow everything.
func (o object) patterns(name string) ([]string, error) {
	list, err := o.texts(name)
	if err != nil {
		return nil, err
	}
	if o.has(name) && len(list) == 0 {
		return nil, malformed("`%s` is empty: omit it to allow all channels.", name)
	}
	if len(list) > maxKeyChannels {
		return nil, malformed("`%s` has %d patterns, more than %d.", name, len(list), maxKeyChannels)
	}
	for _, text := range list {
		if _, err := access.ParsePattern(text); err != nil {
			return nil, malformed("`%s`: %v.", name, err)
		}
	}
	return list, nil
}

// listKeys lists all keys without pages, because there are few.
func (s *service) listKeys(dst []byte, _ http.ResponseWriter, _ *http.Request, _ query) ([]byte, int, error) {
	dst = append(dst, `{"keys":[`...)
	for i, k := range s.options.Authority.Keys() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, newKeyJSON(k))
	}
	return append(dst, "]}"...), http.StatusOK, nil
}

// dropKey revokes a key and the tokens that it created.
func (s *service) dropKey(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	// Otherwise the name could be that of a key that signs JWTs.
	if !s.options.Authority.HasKey(q.name) {
		return nil, 0, fault.NoKey
	}
	dst, err := s.revokeKey(r.Context(), dst, q.call, auth.Revocation{Key: q.name}, 0)
	return dst, http.StatusOK, err
}
