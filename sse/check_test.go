package sse

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestErrorsOfCheck(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		want, log string
	}{
		"a fault":         {fault.NotPermitted.With("The account is locked."), `403 {"error":{"code":"not_permitted","message":"The account is locked."`, ""},
		"any other error": {errors.New("db: connection refused"), `500 {"error":{"code":"internal","message":"` + fault.Internal.Summary + `"`, "db: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			logger, log := testlog.New()
			r := newRig(t, overSocket, boreas.Options{}, Options{Log: logger, Check: func(access.Credentials) (*access.Grant, error) { return nil, c.err }})
			resp := r.ask("GET", "?channel=a&access_token=x")
			body, err := io.ReadAll(resp.Body)
			if got := fmt.Sprintf("%d %s", resp.StatusCode, body); !strings.HasPrefix(got, c.want) || err != nil {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
			if !strings.Contains(log.String(), c.log) || c.log == "" && log.String() != "" {
				t.Errorf("the log is %q, want %q", log, c.log)
			}
		})
	}
}
