package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// signed returns a JWT that is signed with HS256.
func signed(secret, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestInspectLocally(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "boreas.toml")
	if err := os.WriteFile(conf, []byte("jwt_keys = \"hs256:"+file+"\"\nrules = \"open.* client_publish\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const rules = `"boreas":[{"channels":["chat.{user}","open.*"],"allow":["join","publish"]}]`
	for name, test := range map[string]struct {
		started
		want outcome
	}{
		"a token, by the server's file": {
			started{
				args: "token inspect --local - --config=" + conf, stdin: signed(secret, `{"sub":"u1","exp":4102444800,`+rules+`}`),
				extra: []string{"--can=join chat.u1", "--can=publish chat.u1", "--can=publish open.1", "--can=join other"},
			},
			outcome{
				Exit: 1, Stderr: "boreas: the token does not allow every action of --can\n",
				Stdout: `valid              yes, until 2100-01-01T00:00:00Z
kind               jwt
ID                 jwt_Tp8J-X60I8-K63_h
user               u1
rule 1             allow join, publish on chat.{user}
rule 1             allow join, publish on open.*
join "chat.u1"     yes: rule 1: allow join, publish on chat.{user}
publish "chat.u1"  no: the channel's rule does not let clients publish (client_publish)
publish "open.1"   yes: rule 1: allow join, publish on open.*
join "other"       no: no rule allows join on this channel
`,
			},
		},
		"one that is over": {
			started{args: "token inspect --local --jwt-keys=hs256:" + file + " -", stdin: signed(secret, `{"sub":"u1","exp":1,`+rules+`}`)},
			outcome{
				Exit: 1, Stderr: "boreas: the token is not valid\n",
				Stdout: "valid  no\nwhy    The token has expired (exp). (token_expired)\n" +
					"to do  Get another token from your backend. The server notifies a session of protocol 2 in time, so that it can send `auth` with the next one.\n",
			},
		},
		"of another's": {
			started{args: "token inspect --local --json --jwt-keys=hs256:" + file + " -", stdin: signed("another", `{"sub":"u1"}`)},
			outcome{
				Exit: 1, Stderr: "boreas: the token is not valid\n",
				Stdout: `{
  "valid": false,
  "error": {
    "code": "invalid_token",
    "message": "The token's signature is wrong.",
    "retry": "new_token",
    "docs": "docs/errors.md#invalid_token"
  }
}
`,
			},
		},
		"no JWT": {
			started{args: "token inspect --local --jwt-keys=hs256:" + file + " -", stdin: "bt_x"},
			outcome{Exit: 2, Stderr: "boreas: this is not a JWT, and --local can only check JWTs: omit --local to ask the server\n"},
		},
		"no keys": {
			started{args: "token inspect --local -", stdin: "T"},
			outcome{Exit: 2, Stderr: "boreas: --local needs the keys that sign JWTs: --jwt-keys, or jwt_keys in the server's file\n"},
		},
		"a question that is none": {
			started{args: "token inspect --local -", extra: []string{"--can=jion a"}, stdin: "T"},
			outcome{Exit: 2, Stderr: "boreas: --can: there is no verb \"jion\": the verbs are join, publish, history, presence\n"},
		},
		"a server as well": {
			started{args: "token inspect --local --api=http://h -", stdin: "T"},
			outcome{Exit: 2, Stderr: "boreas: --api and --key-file cannot be used with --local, which uses no server\n"},
		},
		"options without --local": {
			started{args: "token inspect --jwt-issuer=x -", stdin: "T"},
			outcome{Exit: 2, Stderr: "boreas: --jwt-issuer needs --local\n"},
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
