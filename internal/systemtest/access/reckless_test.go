package access

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// reckless is a site whose clients send their secrets to all the wrong places.
type reckless struct {
	*site
	secrets []secret
	opaque  made   // valid
	classic string // valid
}

// knows records a secret and returns it.
func (r *reckless) knows(kind, text string) string {
	r.secrets = append(r.secrets, secret{kind, text})
	return text
}

// invents makes up a secret that the server has never seen.
func (r *reckless) invents(front string) string {
	return r.knows("made up", front+rand.Text()+rand.Text()[:17])
}

// knowsJWT records the signature of a JWT and the rest of its payload: the header alone is not a
// secret.
func (r *reckless) knowsJWT(token string) string {
	r.secrets = append(r.secrets, secret{"JWT", token[strings.LastIndex(token, ".")+1:]}, secret{"JWT", strings.Split(token, ".")[1][16:]})
	return token
}

func newReckless(t *testing.T) *reckless {
	t.Helper()
	r := &reckless{}
	asked, keys, query := r.invents("p-"), r.invents("p-"), r.invents("q-")
	broken := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(broken.Close)
	r.site = newSite(t, func(cfg *config.Config) {
		cfg.DataDir, cfg.Engine = t.TempDir(), config.EngineDisk
		cfg.TokenCookie = "session"
		cfg.AllowOrigin = "https://good.example"
		cfg.AuthURL = strings.Replace(cfg.AuthURL, "http://", "http://boreas:"+asked+"@", 1) + "?key=" + query
		cfg.AuthURLHeaders = "X-Session"
		cfg.JWTKeys += " " + strings.Replace(broken.URL, "http://", "http://boreas:"+keys+"@", 1) + "/keys?key=" + query
	}, r.keeps)
	r.knows("HS256 secret", string(r.Issuer.Secret))
	r.knows("key", r.Admin)
	return r
}

// keeps makes a site record all responses, from the first one on.
func (r *reckless) keeps(s *site) { s.keep = true }

func (r *reckless) claims(user string, expires time.Duration) object {
	return issuer.Claims(object{"sub": user, "exp": time.Now().Add(expires).Unix(), "boreas": everything})
}

// comesIn connects with every kind of token over every transport.
func (r *reckless) comesIn() {
	r.opaque = r.NewToken(object{"user": "ann", "label": "phone", "ttl": 3600})
	r.knows("opaque", r.opaque.Token)
	r.classic = r.knows("classic", r.site.NewClassic(r.Admin))
	theirs, header := r.invents("theirs-"), r.invents("h-")
	r.Backend.Accept(theirs, object{"user": "bob", "ttl": 3600})
	for _, token := range []string{
		r.opaque.Token, r.classic, theirs,
		r.knowsJWT(r.Issuer.HS256(r.claims("cid", time.Hour))), r.knowsJWT(r.Issuer.ES256(r.claims("dan", time.Hour))),
	} {
		for _, p := range []peer{&v2Peer{s: r.site, token: token}, &ssePeer{s: r.site, token: token}, &classicPeer{s: r.site, token: token}} {
			if said := p.do(join, "secrets"); said != "ok" {
				r.Errorf("%T: %s", p, said)
			}
			r.Cleanup(p.close)
		}
		if said := r.Ask(token, "GET", messages("secrets"), nil).Code(); said != "ok" {
			r.Errorf("HTTP: %s", said)
		}
		r.connect("/v2?access_token="+url.QueryEscape(token), nil)
		r.connect("/?access_token="+url.QueryEscape(token), nil)
		r.connect("/v2", http.Header{"Cookie": {"session=" + token}, "X-Session": {header}})
	}
}

// connect opens a WebSocket, sends the messages, and closes it after the last reply.
func (r *reckless) connect(path string, header http.Header, says ...string) {
	r.Helper()
	c, err := wstest.Connect("ws://"+r.WS+path, wstest.Options{Header: header, Context: r.Ctx})
	var refused *wstest.Refused
	switch {
	case errors.As(err, &refused):
		r.seen = append(r.seen, answer{Request: "GET " + path, Status: refused.Response.StatusCode, Header: refused.Response.Header, Body: []byte(refused.Body)})
		return
	case err != nil:
		r.Errorf("%.10s: no response", path)
		return
	}
	defer c.Close()
	for _, text := range append(says, `{"id":"last","ping":{}}`) {
		c.Send(text)
	}
	if !strings.HasPrefix(path, "/v2") {
		io.WriteString(c, wstest.Ping("")) // the server answers a ping after the messages before it
		for op := byte(0); err == nil && op != wstest.OpPong; {
			op, _, err = c.Frame()
		}
		return
	}
	for {
		text, err := c.Next()
		if err != nil {
			r.frame(err.Error())
			return
		}
		if r.frame(text); strings.HasPrefix(text, `{"id":"last"`) {
			return
		}
	}
}

// isRefused sends invalid credentials, and valid ones without the permission, everywhere.
func (r *reckless) isRefused() {
	expired := r.knowsJWT(r.Issuer.HS256(r.claims("cid", -time.Hour)))
	stranger := r.claims("eve", time.Hour)
	stranger["iss"] = "https://another.example"
	other := issuer.New(r)
	few := r.NewToken(object{"user": "few", "rules": []object{}})
	keys := r.NewKey(object{"name": "few", "verbs": []string{"stats"}})
	r.knows("opaque", few.Token)
	r.knows("key", keys.Key)
	for _, wrong := range []string{
		r.invents("bt_"), r.invents("bk_"), r.invents("theirs-"), r.invents("eyJ"), expired, r.knowsJWT(r.Issuer.HS256(stranger)),
		r.knowsJWT(other.HS256(r.claims("eve", time.Hour))), r.knowsJWT(other.ES256(r.claims("eve", time.Hour))),
		few.Token, keys.Key, strings.Repeat(r.invents("long-"), 200),
	} {
		for _, path := range []string{"/v2/channels/secrets/messages", "/v2/channels/secrets/presence", "/v2/stats", "/v2/keys", "/v2/tokens", "/metrics"} {
			r.Ask(wrong, "GET", path, nil)
		}
		r.Ask(wrong, "POST", "/broadcast/secrets/", `{"payload":1}`)
		r.Ask(wrong, "POST", messages("secrets"), "1")
		r.Ask(wrong, "POST", "/v2/messages", object{"messages": []object{{"channel": "secrets", "message": 1}}})
		r.Request("GET", "http://"+r.WS+"/v2/events?channel=secrets", wrong, nil, nil)
		r.Request("GET", "http://"+r.WS+"/v2/events?channel=secrets&access_token="+url.QueryEscape(wrong), "", nil, nil)
		r.connect("/v2?access_token="+url.QueryEscape(wrong), nil)
		r.connect("/?access_token="+url.QueryEscape(wrong), nil)
		r.connect("/v2?access_token="+url.QueryEscape(wrong)+";x", http.Header{"Origin": {"https://evil.example"}})
		r.connect("/v2", http.Header{"Cookie": {"session=" + wrong}, "X-Session": {wrong}}, `{"id":1,"auth":{"token":"`+wrong+`"}}`,
			`{"id":2,"join":{"channels":[{"channel":"secrets"}]}}`)
		r.connect("/", nil, `{"access_token":"`+wrong+`"}`)
	}
	password := "ann:" + r.invents("w-")
	basic := r.knows("made up", base64.StdEncoding.EncodeToString([]byte(password)))
	r.Request("GET", "http://"+r.API+"/v2/stats", "", nil, header("Authorization", "Basic "+basic))
	r.Request("GET", "http://"+r.API+"/v2/stats", "", nil, header("Authorization", r.invents("no-scheme-")))
	r.Request("GET", "http://"+r.API+"/v2/stats", "", nil, http.Header{"Authorization": {"Bearer " + r.Admin, "Bearer " + r.Admin}})
	r.Request("GET", "http://"+r.WS+"/v2/events?channel=secrets", "", nil, header("Authorization", "Basic "+basic))
}

// isMalformed sends valid and invalid credentials in malformed bodies, paths and queries.
func (r *reckless) isMalformed() {
	for _, token := range []string{r.opaque.Token, r.classic, r.Admin, r.invents("bt_"), r.invents("bk_"), r.knowsJWT(r.Issuer.HS256(r.claims("cid", 2*time.Hour)))} {
		for _, body := range []string{
			`{"token":"` + token, `{"token":["` + token + `"]}`, `{"tokens":"` + token + `"}`, `"` + token + `"`, token, `{"token":"` + token + `","grace":"` + token + `"}`,
			`{"token":"` + token + `","can":[{"verb":"` + token + `","channel":"c"}]}`, `{"key":"` + token + `"}`, `{"issued_before":"` + token + `"}`,
			`{"name":"n","verbs":["` + token + `"]}`, `{"name":"n","verbs":["publish"],"channels":[1,"` + token + `"]}`, `{"rules":["` + token + `"]}`, `{"user":7,"ttl":"` + token + `"}`,
		} {
			for _, path := range []string{"/v2/tokens/inspect", "/v2/revocations", "/v2/tokens", "/v2/keys"} {
				if json.Valid([]byte(body)) && path == "/v2/revocations" && strings.HasPrefix(body, `{"key":"`) {
					continue // it could revoke the key, or be the valid ID of a key that does not exist
				}
				r.Ask(r.Admin, "POST", path, body)
			}
			r.connect("/v2", nil, body, `{"id":1,"auth":`+body+`}`, `{"id":"`+token+token+`","auth":{"token":1}}`)
			r.connect("/", nil, body, `{"access_token":`+body+`}`)
			r.Ask(r.Admin, "POST", "/broadcast/secrets/", body)
		}
		if token != r.classic && token != r.opaque.Token {
			r.Ask(r.Admin, "DELETE", "/token/"+url.PathEscape(token), nil)
		}
		for _, path := range []string{"/v2/tokens/", "/v2/keys/", "/v2/sessions/"} {
			r.Ask(r.Admin, "DELETE", path+url.PathEscape(token), nil)
			r.Ask(r.Admin, "GET", path+url.PathEscape(token), nil)
		}
		r.Ask(r.Admin, "GET", "/v2/sessions?token="+url.QueryEscape(token), nil)
		r.Ask(r.Admin, "GET", "/v2/refusals?token="+url.QueryEscape(token), nil)
		r.Ask(r.Admin, "GET", "/v2/stats/"+url.PathEscape(token), nil)
		r.Ask(r.Admin, "DELETE", "/v2/revocations?token="+url.QueryEscape(token), nil)
		r.Request("POST", "http://"+r.WS+"/v2?access_token="+url.QueryEscape(token), "", nil, nil)
		r.Request("GET", "http://"+r.WS+"/nowhere?access_token="+url.QueryEscape(token), "", nil, nil)
	}
}

// losesAccess revokes tokens and keys that are in use, by their text where the API allows it.
func (r *reckless) losesAccess() {
	gone := r.knows("classic", r.site.NewClassic(r.Admin))
	r.Ask(r.Admin, "DELETE", "/token/"+gone, nil)
	for _, token := range []string{
		r.knows("opaque", r.NewToken(object{"user": "gone"}).Token), r.knows("classic", r.site.NewClassic(r.Admin)),
		r.knowsJWT(r.Issuer.HS256(r.claims("gone", 3*time.Hour))), r.invents("theirs-"),
	} {
		p := &v2Peer{s: r.site, token: token}
		p.do(join, "secrets")
		r.Must("POST", "/v2/revocations", object{"token": token}, nil)
		p.fate(false)
		p.close()
		r.Ask(token, "POST", messages("secrets"), "1")
	}
	key := r.NewKey(object{"name": "gone", "verbs": []string{"tokens"}})
	r.knows("key", key.Key)
	r.Ask(r.Admin, "DELETE", "/v2/keys/"+key.ID, nil)
	r.Ask(key.Key, "POST", "/v2/tokens", object{})
}

// findsNobody sends tokens while the backend fails.
func (r *reckless) findsNobody() {
	for _, status := range []int64{500, 418, 200} { // a 200 without a body is not a decision
		r.Backend.Status.Store(status)
		token := r.invents("theirs-")
		r.Ask(token, "POST", messages("secrets"), "1")
		r.connect("/v2?access_token="+token, nil)
	}
	r.Backend.CloseClientConnections()
	r.Backend.Close()
	token := r.invents("theirs-")
	r.Request("GET", "http://"+r.WS+"/v2/events?channel=secrets", token, nil, nil)
}
