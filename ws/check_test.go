package ws

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// checkErrors are errors that a Check may return, with the answers to the client and the records of the log.
var checkErrors = map[string]struct {
	err    error
	status int
	code   string
	told   string
	log    string
}{
	"a fault":         {err: fault.NotPermitted, status: 403, code: "not_permitted", told: fault.NotPermitted.Summary},
	"with a message":  {err: fault.NotPermitted.With("The account is locked."), status: 403, code: "not_permitted", told: "The account is locked."},
	"wrapped":         {err: fmt.Errorf("ann: %w", fault.InvalidToken.With("no such user")), status: 401, code: "invalid_token", told: "Ann: no such user."},
	"a public error":  {err: access.ErrTokenExpired, status: 401, code: "token_expired", told: "The token has expired."},
	"any other error": {err: errors.New("db: connection refused"), status: 500, code: "internal", told: fault.Internal.Summary, log: "db: connection refused"},
	"no error either": {status: 500, code: "internal", told: fault.Internal.Summary, log: "the function Check returned neither a grant nor an error"},
}

func TestErrorsOfCheck(t *testing.T) {
	for name, c := range checkErrors {
		t.Run(name, func(t *testing.T) {
			logger, log := testlog.New()
			o := withTestDefaults(Options{Log: logger, Check: func(access.Credentials) (*access.Grant, error) { return nil, c.err }})
			_, addr := serverOf(t, overSocket, boreas.Options{}, func(hub *boreas.Hub) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/v2", Handler(hub, o))
				mux.Handle("/", Classic(hub, o))
				return mux
			})
			logged := func(where string) {
				t.Helper()
				if n := strings.Count(log.String(), c.log); n == 0 || c.log == "" && log.String() != "" {
					t.Errorf("%s: the log is %q, want %q", where, log, c.log)
				}
				log.Reset()
			}
			for path, want := range map[string]string{"/v2": `"code":"` + c.code + `","message":"` + c.told + `"`, "/": c.told + "\n"} {
				_, err := wstest.Connect("ws://"+addr+path+"?access_token=x", wstest.Options{})
				refused := (*wstest.Refused)(nil)
				if !errors.As(err, &refused) || refused.Response.StatusCode != c.status || !strings.Contains(string(refused.Body), want) {
					t.Errorf("%s: got %v, want %d %s", path, err, c.status, want)
				}
				logged(path)
			}
			v2 := wstest.Dial(t, "ws://"+addr+"/v2")
			v2.Read() // hello
			v2.Send(`{"id":1,"auth":{"token":"x"}}`)
			if reply := v2.Read(); !strings.Contains(reply, `"code":"`+c.code+`","message":"`+c.told+`"`) {
				t.Errorf("auth: got %s", reply)
			}
			logged("auth")
			classic := wstest.Dial(t, "ws://"+addr+"/")
			classic.Send(`{"access_token":"x"}`)
			classic.Write(ping(""))
			ended := c.code == "internal" // then the token may be valid
			if op, _, err := classic.Frame(); op != map[bool]byte{false: wstest.OpPong, true: wstest.OpClose}[ended] || err != nil {
				t.Errorf("a frame with the opcode %d, %v", op, err)
			}
			logged("a classic token")
		})
	}
}
