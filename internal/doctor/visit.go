package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// maxAnswer limits how many bytes of a reply are read. The metrics are the longest reply.
const maxAnswer = 4 << 20

// An answer is a reply over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
	at     time.Time // when it arrived, by this machine's clock
}

// get requests a URL, with the key if there is one.
func (v *visit) get(ctx context.Context, url, key string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := v.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	at := v.o.Now()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, resp.Header, string(body), at}, nil
}

// fault returns the code and the message of an error of protocol 2. For other replies it returns ""
// and the HTTP status.
func (a *answer) fault() (code, message string) {
	var body struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if json.Unmarshal([]byte(a.body), &body) == nil && body.Error.Code != "" {
		return body.Error.Code, body.Error.Message
	}
	return "", fmt.Sprintf("the answer is %d %s", a.status, http.StatusText(a.status))
}

// gateway reports whether a reply is from a proxy that cannot reach the server.
func gateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}

// unreachable describes why there was no reply, and what to do.
func (v *visit) unreachable(u *url.URL, err error) (text, do string) {
	var lookup *net.DNSError
	var record tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + u.Host, "Start the server, or use the port in its log."
	case errors.As(err, &lookup):
		return "the name " + u.Hostname() + " cannot be resolved", "Correct the name in the URL, or its entry in the DNS."
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return u.Host + " does not speak TLS", "Give the URL with http:// or ws://, or turn TLS on there."
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer within %v", u.Host, v.o.Timeout), "Check for a firewall in between, and check the address."
	}
	return fmt.Sprintf("%s cannot be reached: %v", u.Host, reason(err)), "Check that the server runs and that the URL is correct."
}

// shown returns a URL without the parts that may be secret.
func shown(u *url.URL) string {
	s := *u
	s.User, s.RawQuery, s.Fragment = nil, "", ""
	return s.String()
}

// reason removes the URL from an error, because it may contain secrets.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refused returns the code and message of an error of the client: those of the server, if there are
// any.
func refused(err error) (code, message string) {
	var e *client.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Code, e.Message
	}
	return "", err.Error()
}

// onLoopback reports whether a URL's host is localhost or a loopback address.
func onLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
