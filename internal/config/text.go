package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

const (
	hostForm     = "an IP address or a host name (empty means all addresses)"
	originForm   = `* or origins such as https://example.com, separated by commas (empty means pages of no other origin)`
	providerForm = "no_tokens, file:PATH, exec:COMMAND, http://URL or https://URL"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)

func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return nil
	}
	switch {
	case strings.Contains(host, "://"):
		return errors.New("omit the scheme and everything after the name")
	case strings.ContainsAny(host, "[]"):
		return errors.New("omit the brackets")
	case strings.Contains(host, ":"):
		return errors.New("the port is a separate option")
	case !hostName.MatchString(host) || len(host) > 253:
		return errors.New("a host name has letters, digits, dots and dashes")
	}
	return nil
}

// checkDebugListen checks that only this machine can reach an address. A profile shows what the server
// does, and taking one slows it down.
func checkDebugListen(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("it needs a host and a port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > maxPort {
		return fmt.Errorf("the port is %q, and it must be a number from 0 to %d", port, maxPort)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("the host is %q, and it must be a loopback address such as 127.0.0.1, because profiles need no key", host)
	}
	return nil
}

// checkOrigins checks that each origin in a list has the form in which browsers send it (RFC 6454).
// An origin in another form would never match.
func checkOrigins(list string) error {
	if list == "*" || list == "" {
		return nil
	}
	for origin := range strings.SplitSeq(list, ",") {
		origin = strings.Trim(origin, " ")
		u, err := url.Parse(origin)
		switch {
		case origin == "*":
			return errors.New("* allows all origins: give it alone")
		case origin == "":
			return errors.New("an entry is empty: remove the extra comma")
		case err != nil || u.Host == "" || u.Scheme == "":
			return fmt.Errorf("%q is not an origin: put the scheme before the name", origin)
		case u.Scheme == "ws" || u.Scheme == "wss":
			return fmt.Errorf("%q is not a page's origin: write http for ws, https for wss", origin)
		case u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || !strings.EqualFold(u.Scheme+"://"+u.Host, origin):
			return fmt.Errorf("%q is not an origin: omit everything after the name and port", origin)
		case origin != strings.ToLower(origin):
			return fmt.Errorf("browsers send %q in lower case", origin)
		}
		if strings.ContainsAny(origin, "* \t") {
			return fmt.Errorf("%q: patterns are not supported: name each origin", origin)
		}
		if sent := sentOrigin(u); sent == "" {
			return fmt.Errorf("%q is not an origin that a browser can send", origin)
		} else if sent != origin {
			return fmt.Errorf("browsers send %q as %s", origin, sent)
		}
	}
	return nil
}

// sentOrigin returns an origin in the form in which browsers send it (WHATWG URL, "host
// serializing"): without the scheme's default port, with names in ASCII and addresses in their
// shortest form. It returns "" if browsers cannot send the origin.
func sentOrigin(u *url.URL) string {
	host, port := u.Hostname(), u.Port()
	switch address, err := netip.ParseAddr(host); {
	case err == nil && address.Zone() != "":
		return ""
	case address.Is4In6(): // Go writes the last 32 bits as IPv4, browsers do not
		b := address.As16()
		host = fmt.Sprintf("[::ffff:%x:%x]", binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:]))
	case err == nil && address.Is6():
		host = "[" + address.String() + "]"
	case err == nil:
		host = address.String()
	case strings.Contains(host, ":"):
		return ""
	case u.Scheme == "http" || u.Scheme == "https": // other schemes, such as those of apps, allow any name
		ascii, err := idna.Punycode.ToASCII(host)
		last := ascii[strings.LastIndexByte(strings.TrimSuffix(ascii, "."), '.')+1:]
		if err != nil || ascii == "" || !hostName.MatchString(ascii) || isNumber(strings.TrimSuffix(last, ".")) {
			return "" // a name that ends in a number is an address, and this one is invalid
		}
		host = ascii
	}
	switch n, err := strconv.ParseUint(port, 10, 16); {
	case port == "" || u.Scheme == "https" && n == 443 || u.Scheme == "http" && n == 80:
		return u.Scheme + "://" + host
	case err != nil:
		return ""
	default:
		return u.Scheme + "://" + host + ":" + strconv.FormatUint(n, 10)
	}
}

// isNumber reports whether browsers read a name as an IPv4 address because its last label is a
// number.
func isNumber(label string) bool {
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil && !strings.Contains(label, "_")
}

// checkProvider checks only the form of the provider; package auth loads the tokens.
func checkProvider(provider string) error {
	switch provider {
	case "no_tokens", "boreas.utils.tokens:no_tokens":
		return nil
	}
	kind, rest, found := strings.Cut(provider, ":")
	switch {
	case !found:
		return errors.New("put file: before a file's name, or exec: before a command")
	case kind == "file" && rest != "", kind == "exec" && strings.TrimSpace(rest) != "":
		return nil
	case kind == "file":
		return errors.New("the file's name is missing")
	case kind == "exec":
		return errors.New("the command is missing")
	case kind == "http", kind == "https":
		// The parser's error would repeat the URL and its password.
		if u, err := url.Parse(provider); err != nil || u.Host == "" {
			return errors.New("that is not a valid URL")
		}
		return nil
	case strings.HasPrefix(kind, "boreas."):
		return errors.New("boreas.utils.tokens:no_tokens is the only Python function of Boreas 1.0 that works here; use a command (exec:) for your own")
	default:
		return errors.New("unknown kind of provider")
	}
}

// webURL matches web addresses in a text.
var webURL = regexp.MustCompile(`(?i)https?://\S*`)

// Redact returns a token provider without the users, passwords and queries of its URLs, so that it
// can be shown.
func Redact(provider string) string {
	if at := webURL.FindStringIndex(provider); at != nil && at[0] == 0 {
		return redactURL(provider) // the whole text is a URL, even if a space makes it invalid
	}
	return webURL.ReplaceAllStringFunc(provider, redactURL)
}

// redacted takes the place of a secret where a value is shown.
const redacted = "REDACTED"

func redactURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		// Any part of an invalid URL may be the password.
		scheme, _, _ := strings.Cut(address, "://")
		return scheme + "://" + redacted
	}
	if u.User != nil {
		u.User = url.User(redacted)
	}
	if u.RawQuery != "" {
		u.RawQuery = redacted
	}
	if u.Fragment != "" {
		u.Fragment = redacted
	}
	return u.String()
}

// trimText removes blanks, line breaks and a byte order mark around a value. Secrets, environment
// files and `$(cat FILE)` often add them.
func trimText(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
}
