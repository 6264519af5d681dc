package auth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// A network answers HTTP requests.
type network struct {
	asked  atomic.Int64
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error) // guarded by mu
}

func (i *network) RoundTrip(r *http.Request) (*http.Response, error) {
	i.asked.Add(1)
	i.mu.Lock()
	answer := i.answer
	i.mu.Unlock()
	response, err := answer(r)
	if response != nil {
		response.Request = r
	}
	return response, err
}

func (i *network) set(answer func(*http.Request) (*http.Response, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func says(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)),
			Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

func fails(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// hangs is an issuer that never answers.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

const jwksURL = "https://user:hunter2@issuer.example/jwks?key=hunter2"

func remote(t *testing.T, i *network) *auth.JWT {
	return newJWT(t, auth.JWTOptions{Keys: []string{jwksURL}, Client: &http.Client{Transport: i}})
}

// ed returns a token whose header has the kid.
func ed(kid string) string {
	return mint(jwt.SigningMethodEdDSA, keys().ed, object{"alg": "EdDSA", "kid": kid}, issuer.Claims(nil))
}

func edSet(kids ...string) string {
	var list []object
	for _, kid := range kids {
		list = append(list, issuer.JWK(kid, keys().ed.Public(), nil))
	}
	return jwks(list...)
}

const (
	unknownKid = "invalid_token: The token names a key (kid) that is not among those of jwt_keys."
	noKeys     = "auth_unavailable: The server cannot fetch the keys that verify the token at the moment."
)

func ready(r interface{ Ready() error }) string {
	if err := r.Ready(); err != nil {
		return err.Error()
	}
	return "ready"
}

func TestJWKSRotation(t *testing.T) {
	keys() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(says(200, edSet("a")))
		j := remote(t, i)
		slow := 0
		check := func(token string) string {
			return outcome(j.Check(access.Credentials{Token: token, Slow: func(run func()) { slow++; run() }}))
		}
		if got := check(ed("a")); got != "user u1" { // during the first fetch
			t.Fatalf("got %q", got)
		}
		i.set(says(200, edSet("a", "b")))
		if got := check(ed("b")); got != unknownKid {
			t.Errorf("a new key right after a fetch: got %q, want %q", got, unknownKid)
		}
		if slow > 1 {
			t.Error("a check without a fetch called Slow")
		}
		time.Sleep(10 * time.Second)
		slow = 0
		if got := check(ed("b")); got != "user u1" || slow != 1 {
			t.Errorf("a new key: got %q, and %d slow waits, want one", got, slow)
		}
		if got := check(ed("a")); got != "user u1" || slow != 1 {
			t.Errorf("a known key: got %q, and %d slow waits, want no more", got, slow)
		}
		i.set(says(200, edSet("b")))
		time.Sleep(66 * time.Minute)
		if got := check(ed("a")); got != unknownKid {
			t.Errorf("a key that was removed an hour ago: got %q, want %q", got, unknownKid)
		}
	})
}

func TestForgedKidsDoNotFloodTheIssuer(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(says(200, edSet("a")))
		j := remote(t, i)
		synctest.Wait()
		for n := range 1200 {
			if got := check(j, ed(fmt.Sprint("forged", n))); got != unknownKid {
				t.Fatalf("got %q, want %q", got, unknownKid)
			}
			time.Sleep(50 * time.Millisecond)
		}
		// At once, then every 10 seconds.
		if n := i.asked.Load(); n != 6 {
			t.Errorf("1,200 forged tokens in a minute: the issuer was asked %d times, want 6", n)
		}
	})
}

// TestSilentIssuer: a limited number of checks wait, for a limited time, and share each fetch.
func TestSilentIssuer(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(hangs)
		j := remote(t, i)
		synctest.Wait()
		start := time.Now()
		var waited, turnedAway atomic.Int64
		var wg sync.WaitGroup
		token := ed("a")
		for range 1000 {
			wg.Go(func() {
				switch got := check(j, token); {
				case got == "auth_unavailable: Too many tokens are waiting for the server to fetch keys." && time.Since(start) == 0:
					turnedAway.Add(1)
				case got == noKeys && time.Since(start) == 5*time.Second:
					waited.Add(1)
				default:
					t.Errorf("got %q after %v", got, time.Since(start))
				}
			})
		}
		wg.Wait()
		if waited.Load() != 256 || turnedAway.Load() != 744 || i.asked.Load() != 1 {
			t.Errorf("%d checks waited, %d were refused, and the issuer was asked %d times; want 256, 744, 1", waited.Load(), turnedAway.Load(), i.asked.Load())
		}
	})
}

func TestUnreachableIssuer(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(fails)
		j := remote(t, i)
		if got := check(j, ed("a")); got != noKeys {
			t.Errorf("before the first fetch: got %q, want %q", got, noKeys)
		}
		if got, want := ready(j), "the server cannot fetch the keys that verify JWTs from https://issuer.example/jwks: connection refused"; got != want {
			t.Errorf("before the first fetch: got %q, want %q", got, want)
		}
		i.set(says(200, edSet("a")))
		time.Sleep(3 * time.Second) // it retries without a request
		if got := check(j, ed("a")) + ", " + ready(j); got != "user u1, ready" {
			t.Errorf("after the first fetch: got %q", got)
		}
		for _, bad := range []func(*http.Request) (*http.Response, error){
			fails, hangs, says(500, edSet("b")), says(200, "<html>"), says(200, jwks()), says(200, edSet("b")[1:]),
		} {
			i.set(bad)
			time.Sleep(2 * time.Hour)
			if got := check(j, ed("a")) + ", " + ready(j); got != "user u1, ready" {
				t.Errorf("while the issuer is unreachable again: got %q", got)
			}
			if got := check(j, ed("b")); got != noKeys {
				t.Errorf("an unknown key while the issuer is unreachable: got %q, want %q", got, noKeys)
			}
		}
		before := i.asked.Load()
		time.Sleep(time.Hour)
		if n := i.asked.Load() - before; n > 13 {
			t.Errorf("unreachable for an hour: the issuer was asked %d times", n)
		}
		i.set(says(200, edSet("b")))
		time.Sleep(6 * time.Minute)
		if got := check(j, ed("b")) + ", " + check(j, ed("a")); got != "user u1, "+unknownKid {
			t.Errorf("once the issuer is reachable: got %q", got)
		}
	})
}

func TestHostileJWKS(t *testing.T) {
	k := keys()
	many := make([]object, 101)
	for i := range many {
		many[i] = issuer.JWK(fmt.Sprint(i), k.ed.Public(), nil)
	}
	redirect := func(to string) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			if r.URL.Scheme+r.URL.Host != "httpsissuer.example" {
				t.Errorf("%s was asked", r.URL)
			}
			response, err := says(302, "")(r)
			response.Header.Set("Location", to)
			return response, err
		}
	}
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   string
	}{
		"huge":                  {says(200, edSet("a")+strings.Repeat(" ", 256<<10)), "it answered more than 262144 bytes"},
		"many keys":             {says(200, jwks(many...)), "it has 101 keys, more than 100"},
		"a page":                {says(200, "<html>"), "it is not a JSON object, or an object in it has a member twice"},
		"nothing":               {says(200, ""), "it is not a JSON object, or an object in it has a member twice"},
		"something behind":      {says(200, edSet("a")+"{}"), "it is not a JSON object, or an object in it has a member twice"},
		"a list":                {says(200, "[]"), "it is not a JSON object, or an object in it has a member twice"},
		"no keys":               {says(200, "{}"), `it is not a JWKS: want {"keys":[…]}`},
		"no content":            {says(204, ""), "it answered 204 No Content"},
		"an error":              {says(500, edSet("a")), "it answered 500 Internal Server Error"},
		"another host":          {redirect("https://evil.example/jwks"), "it redirects to another host, and the server does not follow that"},
		"the same, without TLS": {redirect("http://issuer.example/jwks"), "it redirects to another host, and the server does not follow that"},
		"another port":          {redirect("https://issuer.example:8443/jwks"), "it redirects to another host, and the server does not follow that"},
		"in a circle":           {redirect("/jwks"), "it redirects more than 3 times"},
		"silence":               {hangs, "it did not answer in time"},
		"half an answer": {func(r *http.Request) (*http.Response, error) {
			response, err := says(200, "")(r)
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"keys":[`), stall{r}))
			return response, err
		}, "it did not answer in time"},
		"secrets":     {says(200, jwks(object{"kty": "oct", "kid": "a", "k": issuer.Encode([]byte(secret))})), "it has no key that could verify a token: key 1: it is a secret (kty oct), which does not belong in a JWKS: put it into a file, and use hs256:FILE"},
		"a small key": {says(200, jwks(issuer.JWK("a", &k.small.PublicKey, nil))), "it has no key that could verify a token: key 1: the RSA key has 1024 bits: want 2048 to 8192"},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := &network{}
			i.set(c.answer)
			j := remote(t, i)
			if got := check(j, ed("a")); got != noKeys {
				t.Errorf("%s: got %q, want %q", name, got, noKeys)
			}
			want := "the server cannot fetch the keys that verify JWTs from https://issuer.example/jwks: " + c.want
			if diff := cmp.Diff(want, ready(j)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		})
	}
}

// stall is a body that never arrives.
type stall struct{ r *http.Request }

func (s stall) Read([]byte) (int, error) {
	<-s.r.Context().Done()
	return 0, s.r.Context().Err()
}

// TestBadKeyAmongGood: a key that cannot be used verifies nothing, and does not affect the other keys.
func TestBadKeyAmongGood(t *testing.T) {
	k := keys()
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(says(200, jwks(
			object{"kty": "oct", "kid": "secret", "alg": "HS256", "k": issuer.Encode([]byte(secret))}, issuer.JWK("small", &k.small.PublicKey, nil),
			issuer.JWK("enc", &k.rsa.PublicKey, object{"use": "enc"}), issuer.JWK("a", k.ed.Public(), nil),
		)))
		j := remote(t, i)
		synctest.Wait()
		asked := i.asked.Load()
		time.Sleep(time.Minute)
		forged := mint(jwt.SigningMethodHS256, []byte(secret), object{"alg": "HS256", "kid": "new"}, issuer.Claims(nil))
		if got := check(j, forged); i.asked.Load() != asked {
			t.Errorf("%q: the server fetched the JWKS for an HS256 token, although a JWKS has no secrets", got)
		}
		for token, want := range map[string]string{
			ed("a"): "user u1",
			mint(jwt.SigningMethodHS256, []byte(secret), object{"alg": "HS256", "kid": "secret"}, issuer.Claims(nil)): "invalid_token: No key of jwt_keys is for the token's algorithm, HS256.",
			mint(jwt.SigningMethodRS256, k.rsa, object{"alg": "RS256", "kid": "enc"}, issuer.Claims(nil)):             unknownKid,
			mint(jwt.SigningMethodRS256, k.small, object{"alg": "RS256", "kid": "small"}, issuer.Claims(nil)):         unknownKid,
		} {
			if got := check(j, token); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// TestCloseWhileWaiting: Close ends all waiting checks.
func TestCloseWhileWaiting(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(hangs)
		j, err := auth.NewJWT(auth.JWTOptions{Keys: []string{jwksURL}, Client: &http.Client{Transport: i}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		done := make(chan string)
		go func() { done <- check(j, ed("a")) }()
		synctest.Wait()
		j.Close()
		if got := <-done; got != noKeys || time.Since(start) > 0 {
			t.Errorf("got %q after %v", got, time.Since(start))
		}
		time.Sleep(time.Minute) // another fetch would start in this time
		if got := check(j, ed("a")); got != noKeys {
			t.Errorf("after Close: got %q, want %q", got, noKeys)
		}
	})
}

// TestJWKSOverHTTP fetches keys over a real connection, with the default client.
func TestJWKSOverHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusFound)
			return
		}
		io.WriteString(w, edSet("a"))
	}))
	defer server.Close()
	j := newJWT(t, auth.JWTOptions{Keys: []string{server.URL + "/old"}})
	if got := check(j, ed("a")); got != "user u1" {
		t.Errorf("got %q", got)
	}
}
