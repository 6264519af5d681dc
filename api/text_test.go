package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// TestInvalidTextIsRefused: half of a surrogate pair, and bytes that are not UTF-8, are refused
// with 400 in every name of a request. If they were replaced by U+FFFD, two users, keys or labels
// would become one.
func TestInvalidTextIsRefused(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	_, made := r.makeToken(auth.Token{User: "ann", Label: "phone"})
	for _, half := range []string{`x\ud83d`, `\ude00x`, `\ud83d\ud83d\ude00`, `\ude00\ud83d`, `\uD83D\u0041`, "x\xff", "x\xed\xa0\xbd"} {
		for _, request := range []string{
			`POST /v2/tokens {"user":"%s"}`,
			`POST /v2/tokens {"label":"%s"}`,
			`POST /v2/tokens {"%s":1}`,
			`POST /v2/tokens {"rules":[{"channels":["%s"],"allow":["join"]}]}`,
			`POST /v2/tokens {"rules":[{"channels":["a"],"allow":["%s"]}]}`,
			`POST /v2/tokens {"expires":"%s"}`,
			`PATCH /v2/tokens/` + made.ID + ` {"label":"%s"}`,
			`POST /v2/revocations {"user":"%s"}`,
			`POST /v2/revocations {"token":"%s"}`,
			`POST /v2/revocations {"key":"%s"}`,
			`POST /v2/revocations {"user":"ann","issued_before":"%s"}`,
			`POST /v2/tokens/inspect {"token":"%s"}`,
			`POST /v2/tokens/inspect {"token":"x","can":[{"verb":"%s","channel":"a"}]}`,
			`POST /v2/tokens/inspect {"token":"x","can":[{"verb":"join","channel":"%s"}]}`,
			`POST /v2/keys {"name":"%s","verbs":["publish"]}`,
			`POST /v2/keys {"name":"x","verbs":["%s"]}`,
			`POST /v2/keys {"name":"x","verbs":["publish"],"channels":["%s"]}`,
		} {
			method, rest, _ := strings.Cut(request, " ")
			path, body, _ := strings.Cut(rest, " ")
			if answer := r.do(method, path, fmt.Sprintf(body, half)); !strings.HasPrefix(answer, "400") || !strings.Contains(answer, `"malformed"`) {
				t.Errorf("%s with %q:\n%s", request, half, answer)
			}
		}
		if strings.HasPrefix(half, `\`) || strings.HasPrefix(half, `x\`) {
			body := fmt.Sprintf(`{"messages":[{"channel":"%s","message":1},{"channel":"news","message":1,"key":"%s"},{"channel":"news","message":"%s"}]}`, half, half, half)
			answer := r.do("POST", "/v2/messages", body)
			if n := strings.Count(answer, `"malformed"`); n != 2 {
				t.Errorf("a batch with %q: %d results are malformed:\n%s", half, n, answer)
			}
		}
	}
	for _, query := range []string{
		"GET /v2/tokens?user=", "GET /v2/tokens?after=", "GET /v2/sessions?user=", "GET /v2/sessions?token=", "GET /v2/refusals?user=", "GET /v2/refusals?session=",
		"GET /v2/channels?prefix=", "GET /v2/channels?after=", "GET /v2/revocations?user=", "DELETE /v2/revocations?user=", "GET /v2/revocations?key=", "GET /v2/channels/news/messages?since=",
	} {
		method, path, _ := strings.Cut(query, " ")
		if answer := r.do(method, path+"ann%FF", ""); !strings.HasPrefix(answer, "400") || !strings.Contains(answer, "is not valid UTF-8") {
			t.Errorf("%s:\n%s", query, answer)
		}
	}
	if answer := r.do("POST", "/v2/channels/news/messages", "1", "Idempotency-Key", "x\xff"); !strings.HasPrefix(answer, "400") {
		t.Errorf("a key in the header:\n%s", answer)
	}
	// A complete pair is one character.
	if answer := r.do("POST", "/v2/tokens", `{"user":"ann \ud83d\ude00"}`); !strings.HasPrefix(answer, "201") || !strings.Contains(answer, `"user":"ann 😀"`) {
		t.Errorf("a pair:\n%s", answer)
	}
}
