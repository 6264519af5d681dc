package admission

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/boreas-pubsub/boreas/internal/config"
)

// reckless is a site and those who use it, who show their secrets in all the wrong places.
type reckless struct {
	*site
	secrets []secret
	opaque  made   // a token that is valid
	classic string // the same
}

// knows notes a secret and returns it.
func (r *reckless) knows(kind, text string) string {
	r.secrets = append(r.secrets, secret{kind, text})
	return text
}

// invents makes up a secret that the server has never seen.
func (r *reckless) invents(front string) string {
	return r.knows("made up", front+rand.Text()+rand.Text()[:17])
}

// knowsJWT notes a JWT: what is in front of its signature is no secret alone.
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
		cfg.DataDir = t.TempDir()
		cfg.TokenCookie = "session"
		cfg.AllowOrigin = "https://good.example"
		cfg.AuthURL = strings.Replace(cfg.AuthURL, "http://", "http://boreas:"+asked+"@", 1) + "?key=" + query
		cfg.AuthURLHeaders = "X-Session"
		cfg.JWTKeys += " " + strings.Replace(broken.URL, "http://", "http://boreas:"+keys+"@", 1) + "/keys?key=" + query
		cfg.JWTIssuer = "https://issuer.example"
	}, r.keeps)
	r.knows("HS256 secret", string(r.issuer.secret))
	r.knows("key", r.admin)
	return r
}

// keeps makes a site remember all that is answered, from the first answer on.
func (r *reckless) keeps(s *site) { s.keep = true }

func (r *reckless) claims(user string, expires time.Duration) object {
	return object{"iss": "https://issuer.example", "sub": user, "exp": time.Now().Add(expires).Unix(), "boreas": everything}
}

// comesIn lets everybody in, over everything.
func (r *reckless) comesIn() {
	r.opaque = r.newToken("", object{"user": "ann", "label": "phone", "ttl": 3600})
	r.knows("opaque", r.opaque.Token)
	r.classic = r.knows("classic", r.site.classic(r.admin))
	theirs, header := r.invents("theirs-"), r.invents("h-")
	r.backend.takes(theirs, object{"user": "bob", "ttl": 3600})
	for _, token := range []string{
		r.opaque.Token, r.classic, theirs,
		r.knowsJWT(r.issuer.hs256(r.claims("cid", time.Hour))), r.knowsJWT(r.issuer.es256(r.claims("dan", time.Hour))),
	} {
		for _, p := range []peer{&v2Peer{s: r.site, token: token}, &ssePeer{s: r.site, token: token}, &classicPeer{s: r.site, token: token}} {
			if said := p.do(join, "secrets"); said != "ok" {
				r.Errorf("%T: %s", p, said)
			}
			r.Cleanup(p.close)
		}
		if said := r.ask(token, "GET", messages("secrets"), nil).code(); said != "ok" {
			r.Errorf("HTTP: %s", said)
		}
		r.connect("/v2?access_token="+url.QueryEscape(token), nil)
		r.connect("/?access_token="+url.QueryEscape(token), nil)
		r.connect("/v2", http.Header{"Cookie": {"session=" + token}, "X-Session": {header}})
	}
}

// connect opens a WebSocket, says something, and closes it when all was answered.
func (r *reckless) connect(path string, header http.Header, says ...string) {
	r.Helper()
	c, response, err := websocket.Dial(r.ctx, r.ws+path, &websocket.DialOptions{HTTPClient: r.client, HTTPHeader: header})
	if err != nil {
		r.refusedHandshake(path, response)
		return
	}
	defer c.CloseNow()
	for _, text := range append(says, `{"id":"last","ping":{}}`) {
		c.Write(r.ctx, websocket.MessageText, []byte(text)) //nolint:errcheck // the end is seen by reading
	}
	if !strings.HasPrefix(path, "/v2") {
		closed := c.CloseRead(r.ctx)
		c.Ping(closed) //nolint:errcheck // it answers once it has dealt with the rest
		return
	}
	for {
		_, text, err := c.Read(r.ctx)
		if err != nil {
			r.frame(err.Error())
			return
		}
		if r.frame(string(text)); strings.HasPrefix(string(text), `{"id":"last"`) {
			return
		}
	}
}

// refusedHandshake notes what a refused handshake was told.
func (r *reckless) refusedHandshake(path string, response *http.Response) {
	if response == nil {
		r.Errorf("%.10s: no answer", path)
		return
	}
	body := make([]byte, 1024)
	n, _ := response.Body.Read(body)
	r.seen = append(r.seen, answer{"GET " + path, response.StatusCode, response.Header, body[:n]})
}

// isRefused shows what is not valid, everywhere.
func (r *reckless) isRefused() {
	expired := r.knowsJWT(r.issuer.hs256(r.claims("cid", -time.Hour)))
	stranger := r.claims("eve", time.Hour)
	stranger["iss"] = "https://another.example"
	other := newIssuer(r)
	few := r.newToken("", object{"user": "few", "rules": []object{}})
	keys := r.newKey(object{"name": "few", "verbs": []string{"stats"}})
	r.knows("opaque", few.Token)
	r.knows("key", keys.Key)
	for _, wrong := range []string{
		r.invents("bt_"), r.invents("bk_"), r.invents("theirs-"), r.invents("eyJ"), expired, r.knowsJWT(r.issuer.hs256(stranger)),
		r.knowsJWT(other.hs256(r.claims("eve", time.Hour))), r.knowsJWT(other.es256(r.claims("eve", time.Hour))),
		few.Token, keys.Key, strings.Repeat(r.invents("long-"), 200),
	} {
		for _, path := range []string{"/v2/channels/secrets/messages", "/v2/channels/secrets/presence", "/v2/stats", "/v2/keys", "/v2/tokens", "/metrics"} {
			r.ask(wrong, "GET", path, nil)
		}
		r.ask(wrong, "POST", "/broadcast/secrets/", `{"payload":1}`)
		r.ask(wrong, "POST", messages("secrets"), "1")
		r.ask(wrong, "POST", "/v2/messages", object{"messages": []object{{"channel": "secrets", "message": 1}}})
		r.request("GET", r.events+"/v2/events?channel=secrets", wrong, nil, nil)
		r.request("GET", r.events+"/v2/events?channel=secrets&access_token="+url.QueryEscape(wrong), "", nil, nil)
		r.connect("/v2?access_token="+url.QueryEscape(wrong), nil)
		r.connect("/?access_token="+url.QueryEscape(wrong), nil)
		r.connect("/v2?access_token="+url.QueryEscape(wrong)+";x", http.Header{"Origin": {"https://evil.example"}})
		r.connect("/v2", http.Header{"Cookie": {"session=" + wrong}, "X-Session": {wrong}}, `{"id":1,"auth":{"token":"`+wrong+`"}}`,
			`{"id":2,"join":{"channels":[{"channel":"secrets"}]}}`)
		r.connect("/", nil, `{"access_token":"`+wrong+`"}`)
	}
	password := "ann:" + r.invents("w-")
	basic := r.knows("made up", base64.StdEncoding.EncodeToString([]byte(password)))
	r.request("GET", r.api+"/v2/stats", "", nil, header("Authorization", "Basic "+basic))
	r.request("GET", r.api+"/v2/stats", "", nil, header("Authorization", r.invents("no-scheme-")))
	r.request("GET", r.api+"/v2/stats", "", nil, http.Header{"Authorization": {"Bearer " + r.admin, "Bearer " + r.admin}})
	r.request("GET", r.events+"/v2/events?channel=secrets", "", nil, header("Authorization", "Basic "+basic))
}

// isMalformed shows what is valid and what is not in bodies, paths and queries that
// are wrong.
func (r *reckless) isMalformed() {
	for _, token := range []string{r.opaque.Token, r.classic, r.admin, r.invents("bt_"), r.invents("bk_"), r.knowsJWT(r.issuer.hs256(r.claims("cid", 2*time.Hour)))} {
		for _, body := range []string{
			`{"token":"` + token, `{"token":["` + token + `"]}`, `{"tokens":"` + token + `"}`, `"` + token + `"`, token, `{"token":"` + token + `","grace":"` + token + `"}`,
			`{"token":"` + token + `","can":[{"verb":"` + token + `","channel":"c"}]}`, `{"key":"` + token + `"}`, `{"issued_before":"` + token + `"}`,
			`{"name":"n","verbs":["` + token + `"]}`, `{"name":"n","verbs":["publish"],"channels":[1,"` + token + `"]}`, `{"rules":["` + token + `"]}`, `{"user":7,"ttl":"` + token + `"}`,
		} {
			for _, path := range []string{"/v2/tokens/inspect", "/v2/revocations", "/v2/tokens", "/v2/keys"} {
				if json.Valid([]byte(body)) && path == "/v2/revocations" && strings.HasPrefix(body, `{"key":"`) {
					continue // it would be a revocation, or name a key's ID that is none
				}
				r.ask(r.admin, "POST", path, body)
			}
			r.connect("/v2", nil, body, `{"id":1,"auth":`+body+`}`, `{"id":"`+token+token+`","auth":{"token":1}}`)
			r.connect("/", nil, body, `{"access_token":`+body+`}`)
			r.ask(r.admin, "POST", "/broadcast/secrets/", body)
		}
		if token != r.classic && token != r.opaque.Token {
			r.ask(r.admin, "DELETE", "/token/"+url.PathEscape(token), nil)
		}
		for _, path := range []string{"/v2/tokens/", "/v2/keys/", "/v2/sessions/"} {
			r.ask(r.admin, "DELETE", path+url.PathEscape(token), nil)
			r.ask(r.admin, "GET", path+url.PathEscape(token), nil)
		}
		r.ask(r.admin, "GET", "/v2/sessions?token="+url.QueryEscape(token), nil)
		r.ask(r.admin, "GET", "/v2/refusals?token="+url.QueryEscape(token), nil)
		r.ask(r.admin, "GET", "/v2/stats/"+url.PathEscape(token), nil)
		r.ask(r.admin, "DELETE", "/v2/revocations?token="+url.QueryEscape(token), nil)
		r.request("POST", r.events+"/v2?access_token="+url.QueryEscape(token), "", nil, nil)
		r.request("GET", r.events+"/nowhere?access_token="+url.QueryEscape(token), "", nil, nil)
	}
}

// losesAccess takes tokens and keys back that are in use, by their text where that can be.
func (r *reckless) losesAccess() {
	gone := r.knows("classic", r.site.classic(r.admin))
	r.ask(r.admin, "DELETE", "/token/"+gone, nil)
	for _, token := range []string{
		r.knows("opaque", r.newToken("", object{"user": "gone"}).Token), r.knows("classic", r.site.classic(r.admin)),
		r.knowsJWT(r.issuer.hs256(r.claims("gone", 3*time.Hour))), r.invents("theirs-"),
	} {
		p := &v2Peer{s: r.site, token: token}
		p.do(join, "secrets")
		r.must("POST", "/v2/revocations", object{"token": token}, nil)
		p.fate(false)
		p.close()
		r.ask(token, "POST", messages("secrets"), "1")
	}
	key := r.newKey(object{"name": "gone", "verbs": []string{"tokens"}})
	r.knows("key", key.Key)
	r.ask(r.admin, "DELETE", "/v2/keys/"+key.ID, nil)
	r.ask(key.Key, "POST", "/v2/tokens", object{})
}

// findsNobody asks while who is to be asked fails.
func (r *reckless) findsNobody() {
	for _, status := range []int{500, 418, 200} { // 200 without a body says nothing
		r.backend.mu.Lock()
		r.backend.status = status
		r.backend.mu.Unlock()
		token := r.invents("theirs-")
		r.ask(token, "POST", messages("secrets"), "1")
		r.connect("/v2?access_token="+token, nil)
	}
	r.backend.server.CloseClientConnections()
	r.backend.server.Close()
	token := r.invents("theirs-")
	r.request("GET", r.events+"/v2/events?channel=secrets", token, nil, nil)
}
