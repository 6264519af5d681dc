package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noLimit is a time limit that no test reaches.
const noLimit = time.Minute

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkFailure checks that Load failed with exactly these words, in one line.
func checkFailure(t *testing.T, tokens []string, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, but tokens %q", tokens)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestNoTokens(t *testing.T) {
	for _, provider := range []string{"no_tokens", "boreas.utils.tokens:no_tokens"} {
		if tokens, err := Load(t.Context(), provider, noLimit); len(tokens) != 0 || err != nil {
			t.Errorf("%s: %q, %v", provider, tokens, err)
		}
	}
	tokens, err := Load(t.Context(), "ftp://u:secret@h", noLimit)
	checkFailure(t, tokens, err, "token provider: want no_tokens, file:PATH, exec:COMMAND, http://URL or https://URL")
}

func TestForms(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		err        string
	}{
		{name: "nothing", text: ""},
		{name: "blank", text: " \n\n"},
		{name: "lines", text: "one\n\n  two\t\r\nthree", want: []string{"one", "two", "three"}},
		{name: "byte order mark", text: "\ufeffone\n", want: []string{"one"}},
		{name: "object", text: ` {"more": 1, "tokens": ["one", "two"]} `, want: []string{"one", "two"}},
		{name: "list", text: "\n[\"one\",\n\"tw\\u006f\"]", want: []string{"one", "two"}},
		{name: "empty list", text: "[]", want: []string{}},
		{name: "blank in a line", text: "one\ntwo words\n", err: "line 2: the token has a blank, U+0020, at byte 3"},
		{name: "control character", text: "one\n\n\x01\n", err: "line 3: the token has a control character, U+0001, at byte 0"},
		{name: "binary", text: "a\xfe\xff", err: "line 1: the token is not valid UTF-8"},
		{name: "UTF-16", text: "\xff\xfea\x00\n\x00b\x00", want: []string{"a", "b"}},
		{name: "UTF-16 without a mark", text: "a\x00b\x00", err: "byte 1 is NUL, so it is not UTF-8 text: save it as UTF-8"},
		{name: "cut JSON", text: "{\"tokens\":\n[\"secret\",", err: "line 2: not valid JSON"},
		{name: "wrong JSON", text: "[\"secret\"\n\"secret\"]", err: "line 2: not valid JSON"},
		{name: "no tokens", text: `{"token": ["secret"]}`, err: `the JSON object has no "tokens"`},
		{name: "tokens no list", text: `{"tokens": "secret"}`, err: `want a JSON list of tokens, or an object that has it under "tokens"`},
		{name: "tokens twice", text: "{\"tokens\": [\"secret\"],\n\"tok\\u0065ns\": []}", err: "line 2: a member occurs more than once"},
		{name: "half a pair", text: "[\"one\",\n\"secret \\ud83d\"]", err: "line 2: half of a surrogate pair, which is not a character, or not valid UTF-8"},
		{name: "half a pair in an object", text: `{"tokens": ["secret \udc00"]}`, err: "line 1: half of a surrogate pair, which is not a character, or not valid UTF-8"},
		{name: "a pair", text: `["one\ud83d\ude00"]`, want: []string{"one😀"}},
		{name: "JSON with bytes that are no UTF-8", text: "[\"secret\xff\"]", err: "line 1: half of a surrogate pair, which is not a character, or not valid UTF-8"},
		{name: "number", text: `["one", 2]`, err: "token 2 of the list is not a string"},
		{name: "null", text: `[null]`, err: "token 1 of the list is not a string"},
		{name: "empty", text: `["one", ""]`, err: "token 2 of the list: the token is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := writeFile(t, test.text)
			tokens, err := Load(t.Context(), "file:"+path, noLimit)
			if test.err != "" {
				checkFailure(t, tokens, err, "token provider file:"+path+": "+test.err)
				return
			}
			if diff := cmp.Diff(test.want, tokens); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestFileFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent")
	_, openErr := os.Open(path)
	var pathError *os.PathError
	errors.As(openErr, &pathError)
	tokens, err := Load(t.Context(), "file:"+path, noLimit)
	checkFailure(t, tokens, err, "token provider file:"+path+": "+pathError.Err.Error())

	large := writeFile(t, "")
	if err := os.Truncate(large, maxProvided+1); err != nil {
		t.Fatal(err)
	}
	tokens, err = Load(t.Context(), "file:"+large, noLimit)
	checkFailure(t, tokens, err, "token provider file:"+large+": it returned more than 64 MiB")
}

func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tokens":
			if user, password, _ := r.BasicAuth(); user != "u" || password != "secret" || r.URL.RawQuery != "key=secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.WriteHeader(http.StatusAccepted) // any 2xx is accepted
			w.Write([]byte(`{"tokens": ["one", "two"]}`))
		case "/page":
			w.Write([]byte("<html>\n<body>Hello, you</body>"))
		case "/hang":
			<-r.Context().Done()
		case "/elsewhere":
			http.Redirect(w, r, "http://localhost:1/tokens", http.StatusFound)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("one\n"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	withSecrets := strings.Replace(server.URL, "http://", "http://u:secret@", 1)

	tokens, err := Load(t.Context(), withSecrets+"/tokens?key=secret", noLimit)
	if diff := cmp.Diff([]string{"one", "two"}, tokens); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for path, want := range map[string]string{
		"/absent?key=secret": "/absent: it answered 404 Not Found",
		"/tokens?key=wrong":  "/tokens: it answered 401 Unauthorized",
		"/page":              "/page: line 2: the token has a blank, U+0020, at byte 12",
		"/cut":               "/cut: unexpected EOF",
		"/elsewhere":         "/elsewhere: it redirects to another host, and the server does not follow that",
	} {
		tokens, err = Load(t.Context(), withSecrets+path, noLimit)
		checkFailure(t, tokens, err, "token provider "+server.URL+want)
	}
	tokens, err = Load(t.Context(), withSecrets+"/hang", time.Millisecond)
	checkFailure(t, tokens, err, "token provider "+server.URL+"/hang: no answer within 1ms")

	tokens, err = Load(t.Context(), "http://u:sec ret@h", noLimit)
	checkFailure(t, tokens, err, "token provider http: the URL is not valid")

	server.Close()
	_, err = Load(t.Context(), withSecrets+"/tokens?key=secret", noLimit)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "token provider "+server.URL+"/tokens: ") {
		t.Errorf("with a closed port: %v", err)
	}
}

func TestCallerGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tokens, err := Load(ctx, "http://127.0.0.1:1/", noLimit)
	checkFailure(t, tokens, err, "token provider http://127.0.0.1:1/: context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Error("the error does not wrap the cause")
	}
}

// FuzzParse: for any output of a provider, all tokens are valid or there is an error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a\nb", `["a"]`, `{"tokens":["a"]}`, "[", "{}", "\ufeff{", "a b", `[1]`, `{"tokens":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := parse(text)
		if err != nil && (len(tokens) > 0 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q, %v", tokens, err)
		}
		for _, token := range tokens {
			if err := check(token); err != nil {
				t.Errorf("token %q: %v", token, err)
			}
		}
	})
}
