package peer

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trusted returns two networks of proxies: 10.0.0.0/8 and 2001:db8:f::/48.
func trusted() Proxies {
	return Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:f::/48")}
}

func client(p Proxies, remote string, lines ...string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	for _, line := range lines {
		r.Header.Add("X-Forwarded-For", line)
	}
	return p.Client(r).String()
}

func TestProxiesClient(t *testing.T) {
	for _, c := range []struct {
		name, remote string
		lines        []string
		want         string
	}{
		{"no proxy", "192.0.2.7:1234", nil, "192.0.2.7:1234"},
		{"a proxy without the header", "10.0.0.1:1234", nil, "10.0.0.1:1234"},
		{"spoofed by a client", "192.0.2.7:1234", []string{"198.51.100.1"}, "192.0.2.7:1234"},
		{"spoofed by a client as if it were a proxy", "192.0.2.7:1234", []string{"198.51.100.1, 10.0.0.1"}, "192.0.2.7:1234"},
		{"one proxy", "10.0.0.1:1234", []string{"192.0.2.7"}, "192.0.2.7:0"},
		{"spoofed through a proxy", "10.0.0.1:1234", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7:0"},
		{"an exempt address spoofed", "10.0.0.1:1234", []string{"127.0.0.1, 192.0.2.7"}, "192.0.2.7:0"},
		{"a proxy spoofed", "10.0.0.1:1234", []string{"198.51.100.1, 10.9.9.9, 192.0.2.7"}, "192.0.2.7:0"},
		{"spoofed in a line of its own", "10.0.0.1:1234", []string{"198.51.100.1", "192.0.2.7"}, "192.0.2.7:0"},
		{"two proxies", "10.0.0.1:1234", []string{"198.51.100.1, 192.0.2.7, 10.0.0.2"}, "192.0.2.7:0"},
		{"two proxies, a line each", "10.0.0.1:1234", []string{"198.51.100.1,192.0.2.7", "10.0.0.2"}, "192.0.2.7:0"},
		{"all are proxies", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3:0"},
		{"garbage from the client is not read", "10.0.0.1:1234", []string{"<script>, 192.0.2.7"}, "192.0.2.7:0"},
		{"garbage", "10.0.0.1:1234", []string{"unknown"}, "10.0.0.1:1234"},
		{"garbage behind a proxy", "10.0.0.1:1234", []string{"192.0.2.7, what, 10.0.0.2"}, "10.0.0.1:1234"},
		{"an empty line", "10.0.0.1:1234", []string{""}, "10.0.0.1:1234"},
		{"an empty entry", "10.0.0.1:1234", []string{"192.0.2.7,"}, "10.0.0.1:1234"},
		{"the unspecified address", "10.0.0.1:1234", []string{"0.0.0.0"}, "10.0.0.1:1234"},
		{"with a port", "10.0.0.1:1234", []string{"192.0.2.7:99"}, "192.0.2.7:99"},
		{"with a bad port", "10.0.0.1:1234", []string{"192.0.2.7:99999"}, "10.0.0.1:1234"},
		{"IPv6", "10.0.0.1:1234", []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		{"IPv6 in brackets", "10.0.0.1:1234", []string{"[2001:db8::7]"}, "[2001:db8::7]:0"},
		{"IPv6 with a port", "10.0.0.1:1234", []string{"[2001:db8::7]:99"}, "[2001:db8::7]:99"},
		{"IPv4 in brackets", "10.0.0.1:1234", []string{"[192.0.2.7]"}, "10.0.0.1:1234"},
		{"a zone", "10.0.0.1:1234", []string{"fe80::1%eth0"}, "10.0.0.1:1234"},
		{"an IPv6 proxy", "[2001:db8:f::1]:1234", []string{"198.51.100.1, 2001:db8::7, 2001:db8:f::2"}, "[2001:db8::7]:0"},
		{"no IPv6 proxy", "[2001:db8:e::1]:1234", []string{"192.0.2.7"}, "[2001:db8:e::1]:1234"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1234", []string{"198.51.100.1, ::ffff:192.0.2.7, ::ffff:10.0.0.2"}, "192.0.2.7:0"},
		{"tabs and spaces", "10.0.0.1:1234", []string{"198.51.100.1 ,\t192.0.2.7 , 10.0.0.2\t"}, "192.0.2.7:0"},
		{"the peer is unknown", "@", []string{"192.0.2.7"}, "invalid AddrPort"},
	} {
		if diff := cmp.Diff(c.want, client(trusted(), c.remote, c.lines...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if got := client(nil, "10.0.0.1:1234", "192.0.2.7"); got != "10.0.0.1:1234" {
		t.Errorf("no proxy is trusted, but the client is %s", got)
	}
}

// FuzzForwarded: a client cannot change its own address with the header that it sends.
func FuzzForwarded(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.1")
	f.Add("[::1]:5, ,,unknown")
	f.Add("")
	f.Fuzz(func(t *testing.T, sent string) {
		if got := client(trusted(), "192.0.2.7:1234", sent); got != "192.0.2.7:1234" {
			t.Errorf("straight from the client: %s", got)
		}
		// A proxy appends to the line, or adds one.
		sent = strings.TrimRight(sent, ",")
		if got := client(trusted(), "10.0.0.1:1234", sent+", 192.0.2.7"); got != "192.0.2.7:0" {
			t.Errorf("through a proxy that appends: %s", got)
		}
		if got := client(trusted(), "10.0.0.1:1234", sent, "192.0.2.7, 10.0.0.2"); got != "192.0.2.7:0" {
			t.Errorf("through two proxies: %s", got)
		}
		client(trusted(), "10.0.0.1:1234", sent)
	})
}
