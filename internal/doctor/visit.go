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

	"github.com/boreas-pubsub/boreas/client"
)

// maxAnswer bounds what is read of an answer, in bytes. The metrics are the longest.
const maxAnswer = 4 << 20

// An answer is what came over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
	at     time.Time // when it came, by our clock
}

// get asks for a URL, and shows the key if there is one.
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

// fault returns the code and the sentence of an error of protocol 2, or "" and what
// else there is to say.
func (a *answer) fault() (code, message string) {
	var body struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if json.Unmarshal([]byte(a.body), &body) == nil && body.Error.Code != "" {
		return body.Error.Code, body.Error.Message
	}
	return "", fmt.Sprintf("the answer is %d %s", a.status, http.StatusText(a.status))
}

// gateway tells whether the answer is that of a proxy that does not reach the server.
func gateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}

// unreachable says why there is no answer, and what to do.
func (v *visit) unreachable(u *url.URL, err error) (text, do string) {
	var lookup *net.DNSError
	var record tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + u.Host, "Start the server, or give the port that its log names."
	case errors.As(err, &lookup):
		return "the name " + u.Hostname() + " cannot be resolved", "Correct the name in the URL, or its entry in the DNS."
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return u.Host + " does not speak TLS", "Give the URL with http:// or ws://, or turn TLS on there."
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer within %v", u.Host, v.o.Timeout), "See whether a firewall is in between, and whether the address is right."
	}
	return fmt.Sprintf("%s cannot be reached: %v", u.Host, reason(err)), "See that the server runs, and that the URL is right."
}

// shown returns a URL without the parts that may be secret.
func shown(u *url.URL) string {
	s := *u
	s.User, s.RawQuery, s.Fragment = nil, "", ""
	return s.String()
}

// reason takes URLs out of an error: they may have secrets in them.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refused says what an error of the client tells: the server's sentence, if there is one.
func refused(err error) (code, message string) {
	var e *client.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Code, e.Message
	}
	return "", err.Error()
}

// onLoopback tells whether a URL's host is this machine, and nobody else's name for it.
func onLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
