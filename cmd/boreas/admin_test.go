package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An outcome is the complete output of a run of the program, and its requests to the API.
type outcome struct {
	Exit           int
	Stdout, Stderr string
	Requests       []string
}

// started is a run of the program with an API whose answer the test sets.
type started struct {
	args   string // split at blanks
	extra  []string
	stdin  string
	env    []string
	answer string // of the API; a status other than 200 comes first, as in "404 …"
}

func (s started) run(t *testing.T) outcome {
	t.Helper()
	var got outcome
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got.Requests = append(got.Requests, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(body)))
		answer := s.answer
		if first, rest, ok := strings.Cut(answer, " "); ok {
			if status, err := strconv.Atoi(first); err == nil {
				w.WriteHeader(status)
				answer = rest
			}
		}
		io.WriteString(w, answer) //nolint:errcheck // a test's answer
	}))
	defer api.Close()
	var stdout, stderr bytes.Buffer
	args := append(append([]string{"boreas"}, strings.Fields(s.args)...), s.extra...)
	err := run(t.Context(), args, append(s.env, "BOREAS_API_URL="+api.URL), strings.NewReader(s.stdin), &stdout, &stderr)
	got.Exit, got.Stdout, got.Stderr = exitCode(err), stdout.String(), stderr.String()
	return got
}

const (
	aToken = `{"token":"bt_text","id":"tok_1","user":"u1","created":"2026-01-02T03:04:05Z","rules":[{"channels":["chat.*"],"allow":["join","publish"]}]}`
	aKey   = `{"key":"bk_text","id":"key_1","name":"n","verbs":["publish","tokens"],"created":"2026-01-02T03:04:05Z"}`
	text   = "bt_0123456789012345678901234567890123456789012"
)

func TestAdministration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(`[{"channels":["a"],"allow":["join"]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(key, []byte("bk_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		started
		want outcome
	}{
		"token new with everything": {
			started{
				args: "token new --user=u1 --label=l --ttl=24h --allow=join,publish:chat.* --allow=join:user.{user} --deny=join:chat.x",
				env:  []string{"BOREAS_API_KEY=bk_env"}, answer: aToken,
			},
			outcome{
				Stdout: "bt_text\n",
				Stderr: "boreas: tok_1 allows what its rules say, until it is deleted; the token is shown only now\n",
				Requests: []string{`POST /v2/tokens Bearer bk_env {"user":"u1","label":"l","rules":[{"channels":["chat.*"],"allow":["join","publish"]},` +
					`{"channels":["user.{user}"],"allow":["join"]},{"channels":["chat.x"],"deny":["join"]}],"ttl":86400}`},
			},
		},
		"token new that may do everything": {
			started{args: "token new --user=u1 --expires=2027-01-02T03:04:05Z --key-file=" + key, answer: `{"token":"bt_1","id":"tok_1","expires":"2027-01-02T03:04:05Z"}`},
			outcome{
				Stdout:   "bt_1\n",
				Stderr:   "boreas: tok_1 allows everything, until 2027-01-02T03:04:05Z; the token is shown only now\n",
				Requests: []string{`POST /v2/tokens Bearer bk_file {"user":"u1","expires":"2027-01-02T03:04:05Z"}`},
			},
		},
		"token new with rules of a file, as JSON": {
			started{args: "token new --json --rules=@" + file, answer: `{"token":"bt_1","id":"tok_1"}`},
			outcome{
				Stdout:   "{\n  \"token\": \"bt_1\",\n  \"id\": \"tok_1\"\n}\n",
				Requests: []string{`POST /v2/tokens  {"rules":[{"channels":["a"],"allow":["join"]}]}`},
			},
		},
		"token new that may do nothing": {
			started{args: "token new --json --rules=[]", answer: `{"token":"bt_1","id":"tok_1"}`},
			outcome{Stdout: "{\n  \"token\": \"bt_1\",\n  \"id\": \"tok_1\"\n}\n", Requests: []string{`POST /v2/tokens  {"rules":[]}`}},
		},
		"token new at an old server": {
			started{args: "token new --user=u1", answer: `404 {"error":{"code":"not_found","message":"Nothing."}}`},
			outcome{
				Exit:     1,
				Stderr:   "boreas: make a token: the server answered 404 Not Found: Nothing. (not_found); the server may be older than this command\n",
				Requests: []string{`POST /v2/tokens  {"user":"u1"}`},
			},
		},
		"token list of all": {
			started{args: "token list --all --user=u1", answer: `{"tokens":[{"id":"tok_1","user":"u1","created":"2026-01-02T03:04:05Z","rules":[],"label":"a\u001b[2Jb"},{"id":"tok_2","expires":"2027-01-02T03:04:05Z","key":"key_1"}]}`},
			outcome{
				Stdout: "ID     USER  MADE                  ENDS                  RULES  KEY    LABEL\n" +
					"tok_1  u1    2026-01-02T03:04:05Z  never                 0      -      a�[2Jb\n" +
					"tok_2  -     -                     2027-01-02T03:04:05Z  all    key_1  -\n",
				Requests: []string{"GET /v2/tokens?limit=1000&user=u1"},
			},
		},
		"token list of all as JSON": {
			started{args: "token list --all --json", answer: `{"tokens":[{"id":"tok_1"},{"id":"tok_2"}]}`},
			outcome{Stdout: "{\"id\":\"tok_1\"}\n{\"id\":\"tok_2\"}\n", Requests: []string{"GET /v2/tokens?limit=1000"}},
		},
		"token delete by ID": {
			started{args: "token delete --id=tok_1", answer: `{"sessions":1}`},
			outcome{Requests: []string{"DELETE /v2/tokens/tok_1"}},
		},
		"token delete by ID, with a silent node": {
			started{args: "token delete --id=tok_1", answer: `{"sessions":1,"nodes":{"answered":2,"silent":["n3"]}}`},
			outcome{
				Stderr:   "boreas: nodes that did not answer: n3; they end their sessions when they read the revocation, and the result does not count them\n",
				Requests: []string{"DELETE /v2/tokens/tok_1"},
			},
		},
		"token inspect": {
			started{
				args: "token inspect -", extra: []string{"--can=join chat.1", "--can", "publish chat 1"}, stdin: "T\n",
				answer: `{"valid":true,"kind":"jwt","id":"jwt_1","user":"u1","issued":"2026-01-02T03:04:05Z","expires":"2027-01-02T03:04:05Z","key":"k1",` +
					`"rules":[{"channels":["chat.*","a"],"allow":["join"]},{"channels":["b"],"deny":["join","publish"]}],` +
					`"can":[{"verb":"join","channel":"chat.1","allowed":true,"by":"rule 1: allow join on chat.*"},{"verb":"publish","channel":"chat 1","allowed":false,"by":"none"}]}`,
			},
			outcome{
				Exit: 1,
				Stdout: "valid             yes, until 2027-01-02T03:04:05Z\nkind              jwt\nID                jwt_1\nuser              u1\n" +
					"issued            2026-01-02T03:04:05Z\nkey               k1\nrule 1            allow join on chat.*\nrule 1            allow join on a\n" +
					"rule 2            deny join, publish on b\njoin \"chat.1\"     yes: rule 1: allow join on chat.*\npublish \"chat 1\"  no: none\n",
				Stderr:   "boreas: the token does not allow every action of --can\n",
				Requests: []string{`POST /v2/tokens/inspect  {"token":"T","can":[{"verb":"join","channel":"chat.1"},{"verb":"publish","channel":"chat 1"}]}`},
			},
		},
		"token inspect of an argument, with a yes": {
			started{args: "token inspect --can", extra: []string{"join a", "T"}, answer: `{"valid":true,"kind":"classic","id":"tok_1","can":[{"verb":"join","channel":"a","allowed":true,"by":"all"}]}`},
			outcome{
				Stdout:   "valid     yes, until it is deleted or revoked\nkind      classic\nID        tok_1\nrules     none: the token allows everything\njoin \"a\"  yes: all\n",
				Stderr:   "boreas: every user of this machine can see arguments, and shells store them: give the token on standard input instead, with -\n",
				Requests: []string{`POST /v2/tokens/inspect  {"token":"T","can":[{"verb":"join","channel":"a"}]}`},
			},
		},
		"token inspect of one that is not valid": {
			started{args: "token inspect --token-file=" + key, answer: `{"valid":false,"error":{"code":"token_revoked","message":"The token was revoked."}}`},
			outcome{
				Exit: 1, Stdout: "valid  no\nwhy    The token was revoked. (token_revoked)\nto do  Reconnect with another token, if your backend gives you one.\n",
				Stderr:   "boreas: the token is not valid\n",
				Requests: []string{`POST /v2/tokens/inspect  {"token":"bk_file"}`},
			},
		},
		"token inspect of one that may do nothing, as JSON": {
			started{args: "token inspect --json -", stdin: "T", answer: `{"valid":true,"kind":"jwt","id":"jwt_1","rules":[]}`},
			outcome{
				Stdout:   "{\n  \"valid\": true,\n  \"kind\": \"jwt\",\n  \"id\": \"jwt_1\",\n  \"rules\": []\n}\n",
				Requests: []string{`POST /v2/tokens/inspect  {"token":"T"}`},
			},
		},
		"key new": {
			started{args: "key new n", answer: aKey},
			outcome{
				Stdout: "bk_text\n",
				Stderr: "boreas: key_1 (n) allows publish, tokens on all channels, until it is revoked; the key is shown only now\n" +
					"boreas: from now on the API requires a key, and this one cannot make others. `boreas key new --data-dir` makes keys while the server is stopped. " +
					"A server without data_dir forgets all keys when it ends\n",
				Requests: []string{`POST /v2/keys  {"name":"n","verbs":["publish","tokens"]}`},
			},
		},
		"key new, shown a key": {
			started{args: "key new n", env: []string{"BOREAS_API_KEY=bk_env"}, answer: aKey},
			outcome{
				Stdout:   "bk_text\n",
				Stderr:   "boreas: key_1 (n) allows publish, tokens on all channels, until it is revoked; the key is shown only now\n",
				Requests: []string{`POST /v2/keys Bearer bk_env {"name":"n","verbs":["publish","tokens"]}`},
			},
		},
		"key new with everything": {
			started{args: "key new --verbs=publish,stats --channels=chat.*,news --ttl=1h --json n", answer: `{"key":"bk_1","id":"key_1","name":"n","verbs":["publish"]}`},
			outcome{
				Stdout:   "{\n  \"key\": \"bk_1\",\n  \"id\": \"key_1\",\n  \"name\": \"n\",\n  \"verbs\": [\n    \"publish\"\n  ]\n}\n",
				Requests: []string{`POST /v2/keys  {"name":"n","verbs":["publish","stats"],"channels":["chat.*","news"],"ttl":3600}`},
			},
		},
		"key list": {
			started{args: "key list", answer: `{"keys":[{"id":"key_1","name":"n","verbs":["publish","tokens"],"channels":["a","b"],"created":"2026-01-02T03:04:05Z"},{"id":"key_2","name":"m","verbs":["admin"],"last_used":"2026-01-02T03:04:00Z"}]}`},
			outcome{
				Stdout: "ID     NAME  VERBS           CHANNELS  MADE                  ENDS   LAST USED\n" +
					"key_1  n     publish,tokens  a,b       2026-01-02T03:04:05Z  never  never\n" +
					"key_2  m     admin           all       -                     never  2026-01-02T03:04:00Z\n",
				Requests: []string{"GET /v2/keys"},
			},
		},
		"key list as JSON": {
			started{args: "key list --json", answer: `{"keys":[]}`},
			outcome{Stdout: "{\n  \"keys\": []\n}\n", Requests: []string{"GET /v2/keys"}},
		},
		"key revoke": {
			started{args: "key revoke key_1", answer: `{"sessions":1,"tokens":2,"changed":0,"keys":["key_2"]}`},
			outcome{
				Stderr:   "boreas: key_1 made 2 tokens and changed 0 others, which are revoked with it; 1 sessions ended\nboreas: keys that key_1 made stay valid: key_2\n",
				Requests: []string{"DELETE /v2/keys/key_1"},
			},
		},
		"revoke a user": {
			started{args: "revoke --user=u1 --issued-before=2026-01-02T03:04:05Z --grace=30s --until=2027-01-02T03:04:05Z", answer: `{"sessions":2}`},
			outcome{
				Stdout:   "{\"sessions\":2}\n",
				Requests: []string{`POST /v2/revocations  {"user":"u1","issued_before":"2026-01-02T03:04:05Z","grace":30,"until":"2027-01-02T03:04:05Z"}`},
			},
		},
		"revoke with silent nodes": {
			started{args: "revoke --user=u1", answer: `{"sessions":2,"nodes":{"answered":1,"silent":["n2","n3"]}}`},
			outcome{
				Stdout:   "{\"sessions\":2,\"nodes\":{\"answered\":1,\"silent\":[\"n2\",\"n3\"]}}\n",
				Stderr:   "boreas: nodes that did not answer: n2, n3; they end their sessions when they read the revocation, and the result does not count them\n",
				Requests: []string{`POST /v2/revocations  {"user":"u1"}`},
			},
		},
		"key revoke with silent nodes": {
			started{args: "key revoke key_1", answer: `{"sessions":1,"tokens":0,"changed":0,"keys":[],"nodes":{"answered":1,"silent":["n2","n3"]}}`},
			outcome{
				Stderr:   "boreas: nodes that did not answer: n2, n3; they end their sessions when they read the revocation, and the result does not count them\n",
				Requests: []string{"DELETE /v2/keys/key_1"},
			},
		},
		"revoke a token": {
			started{args: "revoke --token-file=-", stdin: "T\n", answer: `{"sessions":0}`},
			outcome{Stdout: "{\"sessions\":0}\n", Requests: []string{`POST /v2/revocations  {"token":"T"}`}},
		},
		"revoke by ID": {
			started{args: "revoke --token-id=tok_1", answer: `{"sessions":0}`},
			outcome{Stdout: "{\"sessions\":0}\n", Requests: []string{`POST /v2/revocations  {"token":"tok_1"}`}},
		},
		"revoke a key": {
			started{args: "revoke --key=key_1", answer: `{"sessions":0}`},
			outcome{Stdout: "{\"sessions\":0}\n", Requests: []string{`POST /v2/revocations  {"key":"key_1"}`}},
		},
		"revoke all before": {
			started{args: "revoke --issued-before=2026-01-02T03:04:05Z", answer: `{"sessions":0}`},
			outcome{Stdout: "{\"sessions\":0}\n", Requests: []string{`POST /v2/revocations  {"issued_before":"2026-01-02T03:04:05Z"}`}},
		},
		"explain a user": {
			started{args: "explain --limit=5 u1", answer: `{"refusals":[` +
				`{"time":"2026-01-02T03:04:05Z","count":3,"code":"not_permitted","message":"Rule 2: deny join on admin.**.","transport":"websocket","address":"::1","session":"s_1","token":"tok_1","user":"u1","verb":"join","channel":"admin.\u001bx"},` +
				`{"time":"2026-01-02T03:04:04Z","count":1,"code":"new_code","message":"New.","verb":"connect"}]}`},
			outcome{
				Stdout: "2026-01-02T03:04:05Z, 3 times, last at that time: join \"admin.\\x1bx\" was refused over websocket\n  Rule 2: deny join on admin.**. (not_permitted)\n" +
					"  To do: Make a token whose rules allow the verb in the message on this channel. `boreas token inspect` shows the permissions of a token.\n  The channel has no rule: no pattern in the server's option rules matches it\n" +
					"  It was from ::1, user u1, token tok_1, session s_1\n\n2026-01-02T03:04:04Z: connect was refused\n  New. (new_code)\n",
				Requests: []string{"GET /v2/refusals?limit=5&user=u1"},
			},
		},
		"explain an address, of which there is nothing": {
			started{args: "explain ::ffff:10.0.0.1", answer: `{"refusals":[]}`},
			outcome{Stdout: "address 10.0.0.1: the server remembers no refusals; in a cluster, ask each node\n", Requests: []string{"GET /v2/refusals?address=10.0.0.1&limit=20"}},
		},
		"explain a token": {
			started{args: "explain jwt_1", answer: `{"refusals":[]}`},
			outcome{Stdout: "token jwt_1: the server remembers no refusals; in a cluster, ask each node\n", Requests: []string{"GET /v2/refusals?limit=20&token=jwt_1"}},
		},
		"explain a key, as JSON": {
			started{args: "explain --json key_1", answer: `{"refusals":[]}`},
			outcome{Stdout: "{\n  \"refusals\": []\n}\n", Requests: []string{"GET /v2/refusals?limit=20&token=key_1"}},
		},
		"explain a session": {
			// The fake gives the same answer to both requests.
			started{args: "explain s_1", answer: `{"session":"s_1","transport":"sse","since":"2026-01-02T03:04:05Z","address":"10.0.0.1","user":"u1","token":"tok_1","joined":2,"channels":["a","b"],"refusals":[]}`},
			outcome{
				Stdout: "session s_1: connected by sse since 2026-01-02T03:04:05Z, from 10.0.0.1, user u1, token tok_1, on 2 channels: a b\n" +
					"session s_1: the server remembers no refusals; in a cluster, ask each node\n",
				Requests: []string{"GET /v2/sessions/s_1", "GET /v2/refusals?limit=20&session=s_1"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.run(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesOfAdministration(t *testing.T) {
	rule := []string{"--rules"}
	for _, test := range []struct {
		started
		want string
	}{
		{started{args: "token new --ttl=1h --expires=2027-01-02T03:04:05Z"}, "give --ttl or --expires, not both"},
		{started{args: "token new --ttl=1ms"}, "--ttl must be at least 1s"},
		{started{args: "token new --expires=tomorrow"}, "--expires is not a time such as 2027-01-31T12:00:00Z (RFC 3339)"},
		{started{args: "token new --user="}, "--user must not be empty"},
		{started{args: "token new --allow=chat.*"}, "--allow=chat.*: give it as VERBS:PATTERN, as in join,publish:chat.*"},
		{started{args: "token new --deny=jion:a"}, "--deny=jion:a: there is no verb \"jion\": the verbs are join, publish, history, presence"},
		{started{args: "token new --allow=join:a --rules=[]"}, "--rules cannot be used with --allow and --deny: give all rules as JSON"},
		{
			started{args: "token new", extra: append(rule, `[{"channels":["a"],"dney":["join"]}]`)},
			`--rules: this is not a JSON list of rules such as [{"channels":["chat.*"],"allow":["join"]}]: json: unknown field "dney"`,
		},
		{started{args: "token new", extra: append(rule, `null`)}, "--rules: there must be one JSON list; for a token that allows everything, omit the rules"},
		{started{args: "token new", extra: append(rule, `[{"allow":["join"]}]`)}, "--rules: rule 1 names no channels"},
		{started{args: "token list --user=u1"}, "--user and --json need --all"},
		{started{args: "token list --all --channel=a"}, "--channel cannot be used with --all"},
		{started{args: "token delete --id=" + text}, "--id takes the ID of a token, tok_ and 16 characters, not the token"},
		{started{args: "token delete --id=tok_1 --token-file=f"}, "give --id or --token-file, not both"},
		{started{args: "token inspect"}, "give one token: boreas token inspect -, which reads standard input, or --token-file"},
		{started{args: "token inspect - --can=join"}, "--can=join: give it as 'VERB CHANNEL', as in 'join chat.1'"},
		{started{args: "key new"}, "give the key a name: boreas key new NAME"},
		{started{args: "key new --verbs=, n"}, "--verbs is empty: a key needs at least one"},
		{started{args: "key new --channels= n"}, "--channels is empty: omit it to allow all channels"},
		{started{args: "key list --data-dir=none"}, "--data-dir=none: there is no such directory"},
		{started{args: "key new --data-dir=main.go n"}, "--data-dir=main.go: that is not a directory"},
		{started{args: "key list --data-dir=. --api=http://h"}, "give --api or --data-dir, not both"},
		{started{args: "key revoke"}, "give the ID of a key: boreas key revoke ID"},
		{
			started{args: "key revoke " + strings.Replace(text, "bt", "bk", 1)},
			"this is the secret key itself, and others can see it now: give its ID (key_ and 16 characters), which `boreas key list` shows",
		},
		{started{args: "key"}, "say what to do: boreas key new, list or revoke"},
		{started{args: "revoke"}, "say what to revoke: one of --token-file, --token-id, --user, --key; or --issued-before, alone or with --user"},
		{started{args: "revoke --user=u --key=k"}, "say what to revoke: one of --token-file, --token-id, --user, --key; or --issued-before, alone or with --user"},
		{started{args: "revoke --user="}, "--user must not be empty"},
		{started{args: "revoke --key=k --issued-before=2026-01-02T03:04:05Z"}, "--issued-before can be alone or with --user"},
		{started{args: "revoke --user=u --grace=2h"}, "--grace must be from 0s to 1h"},
		{
			started{args: "revoke --token-id=" + text},
			"--token-id takes an ID, but this is the secret itself, and others can see it now; for a token, use --token-file",
		},
		{started{args: "revoke " + text}, "boreas revoke takes only flags: see `boreas revoke --help`"},
		{started{args: "explain"}, "give one argument: boreas explain SESSION, TOKEN-ID, ADDRESS or USER"},
		{
			started{args: "explain eyJhbGciOiJIUzI1NiJ9.e30.c2ln"},
			"this is the secret token or key itself, and others can see it now: give its ID, which `boreas token inspect -` prints",
		},
		{started{args: "top --rows=0"}, "--rows must be from 1 to 1000"},
		{started{args: "top --count=0"}, "--count must be at least 1"},
		{started{args: "top --interval=0s"}, "--interval must be at least 1ms"},
		{started{args: "explain --limit=0 u"}, "--limit must be from 1 to 1000"},
		{started{args: "doctor x"}, `boreas doctor takes only flags, and "x" is not a flag`},
		{started{args: "doctor --ws=ftp://h"}, "WebSocket URL: give it as ws://HOST:PORT or wss://HOST:PORT"},
	} {
		want := outcome{Exit: 2, Stderr: "boreas: " + test.want + "\n"}
		if diff := cmp.Diff(want, test.run(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.args, diff)
		}
	}
}

func TestInvalidKeyIsNotSent(t *testing.T) {
	got := started{args: "key list", env: []string{"BOREAS_API_KEY=two words"}}.run(t)
	want := outcome{
		Exit:   2,
		Stderr: "boreas: the API key has an invalid character, perhaps a blank or a line break of the file from which it was read\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
