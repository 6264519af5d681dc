package credential_test

import (
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/internal/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEmbeddedRequestsHaveNoCookie checks that an image or a script on a page of another site does
// not use its visitor's cookie.
func TestEmbeddedRequestsHaveNoCookie(t *testing.T) {
	checker := credential.Checker{Cookie: "session"}
	for _, c := range []struct{ site, origin, query, want string }{
		{"", "", "", "cookie"}, // not a browser
		{"none", "", "", "cookie"},
		{"same-origin", "", "", "cookie"},
		{"same-site", "", "", ""},
		{"cross-site", "", "", ""},
		{"cross-site", "https://app.example.com", "", "cookie"},
		{"cross-site", "", "?access_token=own", "own"},
	} {
		r := httptest.NewRequest("GET", "/v2/events"+c.query, nil)
		r.Header.Set("Cookie", "session=cookie")
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if got, _ := checker.Credentials(r, true); got.Token != c.want {
			t.Errorf("%+v: the token is %q", c, got.Token)
		}
	}
}
