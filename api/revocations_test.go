package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestRevocations(t *testing.T) {
	logger, log := testlog.New()
	r := newRig(t, boreas.Options{}, api.Options{Log: logger})
	ann1, _ := r.makeToken(auth.Token{User: "ann"})
	ann2, _ := r.makeToken(auth.Token{User: "ann"})
	bob, madeBob := r.makeToken(auth.Token{User: "bob"})
	classic := r.mint()
	if err := r.authority.Add("provided"); err != nil {
		t.Fatal(err)
	}
	sessions := map[string]*subscriber{"ann1": r.subscribeWith(t, ann1), "ann2": r.subscribeWith(t, ann2), "bob": r.subscribeWith(t, bob), "classic": r.subscribeWith(t, classic)}
	who := func() string {
		var in []string
		for _, name := range []string{"ann1", "ann2", "bob", "classic"} {
			if sessions[name].Grant() != nil {
				in = append(in, name)
			}
		}
		return strings.Join(in, " ")
	}
	revoked := func(n string) string { return told(201, `{"sessions":`+n+`}`) }
	exactlyOne := bad("Send exactly one of `token`, `user`, `key` and `issued_before`. Only `user` and `issued_before` can be together.")
	oneParameter := bad("Send exactly one of the parameters token, user, key and all=true.")
	noRevocation := strings.TrimSuffix(failure(404, "not_found", "There is no such revocation.", ""), "\n")
	for _, s := range []struct {
		sample
		in string // the users with remaining sessions
	}{
		{sample{"GET", "/v2/revocations", "", told(200, `{"revocations":0}`)}, "ann1 ann2 bob classic"},
		{sample{"POST", "/v2/revocations", `{"token":"` + ann1 + `"}`, revoked("1")}, "ann2 bob classic"},
		{sample{"POST", "/v2/revocations", `{"token":"` + ann1 + `"}`, strings.TrimSuffix(failure(404, "no_token", "There is no token with this ID.", ""), "\n")}, "ann2 bob classic"},
		{sample{"POST", "/v2/revocations", `{"user":"ann","issued_before":"2013-02-20T00:00:00Z"}`, revoked("0")}, "ann2 bob classic"},
		{sample{"POST", "/v2/revocations", `{"user":"ann","grace":0,"until":"2199-01-01T00:00:00Z"}`, revoked("1")}, "bob classic"},
		{sample{"GET", "/v2/revocations", "", told(200, `{"revocations":1}`)}, "bob classic"},
		{sample{"GET", "/v2/revocations?user=ann", "", told(200, `{"revocation":{"user":"ann","issued_before":"T"}}`)}, "bob classic"},
		{sample{"GET", "/v2/revocations?user=bob", "", told(200, `{"revocation":null}`)}, "bob classic"},
		{sample{"GET", "/v2/revocations?token=" + ann1, "", told(200, `{"revocation":null}`)}, "bob classic"},
		{sample{"POST", "/v2/revocations", `{"token":"jwt_AAAAAAAAAAAAAAAA"}`, revoked("0")}, "bob classic"},
		{sample{"GET", "/v2/revocations?token=jwt_AAAAAAAAAAAAAAAA", "", told(200, `{"revocation":{"token":"jwt_AAAAAAAAAAAAAAAA"}}`)}, "bob classic"},
		{sample{"POST", "/v2/revocations", `{"key":"kid-1"}`, revoked("0")}, "bob classic"},
		{sample{"GET", "/v2/revocations?key=kid-1", "", told(200, `{"revocation":{"key":"kid-1"}}`)}, "bob classic"},
		{sample{"POST", "/v2/revocations", `{"key":"key_AAAAAAAAAAAAAAAA"}`, strings.TrimSuffix(failure(404, "no_key", "There is no key with this ID.", ""), "\n")}, "bob classic"},
		{sample{"POST", "/v2/revocations", `{"token":"` + madeBob.ID + `","grace":3600}`, revoked("1")}, "bob classic"},
		{sample{"POST", "/v2/revocations", `{"issued_before":"2199-01-01T00:00:00Z"}`, revoked("2")}, ""},
		{sample{"GET", "/v2/revocations?all=true", "", told(200, `{"revocation":{"issued_before":"2199-01-01T00:00:00Z"}}`)}, ""},
		{sample{"DELETE", "/v2/revocations?all=true", "", "204\n"}, ""},
		{sample{"DELETE", "/v2/revocations?all=true", "", noRevocation}, ""},
		{sample{"DELETE", "/v2/revocations?user=ann", "", "204\n"}, ""},
		{sample{"DELETE", "/v2/revocations?user=ann", "", noRevocation}, ""},
		{sample{"DELETE", "/v2/revocations?key=kid-1", "", "204\n"}, ""},
		{sample{"DELETE", "/v2/revocations?token=jwt_AAAAAAAAAAAAAAAA", "", "204\n"}, ""},
		{sample{"GET", "/v2/revocations", "", told(200, `{"revocations":0}`)}, ""},

		{sample{"POST", "/v2/revocations", `{}`, exactlyOne}, ""},
		{sample{"POST", "/v2/revocations", `{"user":"ann","key":"k"}`, exactlyOne}, ""},
		{sample{"POST", "/v2/revocations", `{"grace":1}`, exactlyOne}, ""},
		{sample{"POST", "/v2/revocations", `{"user":""}`, bad("`user` is empty.")}, ""},
		{sample{"POST", "/v2/revocations", `{"user":"a\tb"}`, bad("`user`: the user's name has a control character, U+0009, at byte 1.")}, ""},
		{sample{"POST", "/v2/revocations", `{"token":["x"]}`, bad("`token` must be a string.")}, ""},
		{sample{"POST", "/v2/revocations", `{"key":"k","issued_before":"2013-02-20T00:00:00Z"}`, bad("`issued_before` can be alone or with `user`.")}, ""},
		{sample{"POST", "/v2/revocations", `{"user":"ann","issued_before":"now"}`, bad("`issued_before` must be a time as in RFC 3339, like 2026-11-25T12:00:00Z.")}, ""},
		{sample{"POST", "/v2/revocations", `{"user":"ann","until":"2013-02-20T00:00:00Z"}`, bad("`until` is in the past.")}, ""},
		{sample{"POST", "/v2/revocations", `{"user":"ann","grace":3601}`, bad("`grace` must be a whole number of seconds from 0 to 3600.")}, ""},
		{sample{"DELETE", "/v2/revocations", "", oneParameter}, ""},
		{sample{"DELETE", "/v2/revocations?all=false", "", oneParameter}, ""},
		{sample{"DELETE", "/v2/revocations?all=yes", "", bad(`The parameter all is \"yes\": it must be true or false.`)}, ""},
		{sample{"GET", "/v2/revocations?user=a&key=b", "", oneParameter}, ""},
		{sample{"GET", "/v2/revocations?user=", "", oneParameter}, ""},
		{sample{"GET", "/v2/revocations?user=a&all=false", "", oneParameter}, ""},

		// A token of the provider cannot be deleted. Its text is not repeated.
		{sample{"POST", "/v2/revocations", `{"token":"provided"}`, revoked("0")}, ""},
		{sample{"GET", "/v2/revocations?token=provided", "", told(200, `{"revocation":{}}`)}, ""},
	} {
		got := scrubTimes(r.do(s.method, s.path, s.body))
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", s.method, s.path, s.body, diff)
		}
		if diff := cmp.Diff(s.in, who()); diff != "" {
			t.Errorf("sessions after %s %s %s (-want +got):\n%s", s.method, s.path, s.body, diff)
		}
	}
	const by = ` by="nobody: the API needs no key"` + "\n"
	wantLog := `level=INFO msg="tokens were revoked" what="a token" sessions=1 grace=0s` + by +
		`level=INFO msg="tokens were revoked" what="the tokens of a user" sessions=0 grace=0s` + by +
		`level=INFO msg="tokens were revoked" what="the tokens of a user" sessions=1 grace=0s` + by +
		`level=INFO msg="tokens were revoked" what="a token" sessions=0 grace=0s` + by +
		`level=INFO msg="tokens were revoked" what="a key and its tokens" sessions=0 grace=0s` + by +
		`level=INFO msg="tokens were revoked" what="a token" sessions=1 grace=1h0m0s` + by +
		`level=INFO msg="tokens were revoked" what="all tokens issued until 2199-01-01T00:00:00Z" sessions=2 grace=0s` + by +
		`level=INFO msg="a revocation was removed" what="all tokens" by="nobody: the API needs no key"` + "\n" +
		`level=INFO msg="a revocation was removed" what="the tokens of a user" by="nobody: the API needs no key"` + "\n" +
		`level=INFO msg="a revocation was removed" what="a key and its tokens" by="nobody: the API needs no key"` + "\n" +
		`level=INFO msg="a revocation was removed" what="a token" by="nobody: the API needs no key"` + "\n" +
		`level=INFO msg="tokens were revoked" what="a token" sessions=0 grace=0s` + by
	if diff := cmp.Diff(wantLog, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func scrubTimes(text string) string {
	return strings.TrimSuffix(moments.ReplaceAllString(text, `"T"`), "\n")
}
