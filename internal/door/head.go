package door

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
)

// maxFields is the maximum number of header fields of a plain request.
const maxFields = 64

// parse parses the head of a plain request, with which b begins. It returns the request and the
// length of the head, or nil if b does not begin with a plain request that is complete. The request
// is equal to what [http.ReadRequest] returns, without the header Host, which [http.Server]
// removes, and it has the context. It does not refer to b.
func parse(ctx context.Context, b []byte) (r *http.Request, n int) {
	if n = bytes.Index(b, []byte("\r\n\r\n")); n < 0 || !bytes.HasPrefix(b, []byte("GET /")) {
		return nil, 0
	}
	n += len("\r\n\r\n")
	// All strings of the request are parts of this one.
	rest := string(b[:n-len("\r\n")])
	line, rest, _ := strings.Cut(rest, "\r\n")
	target, ok := strings.CutSuffix(line[len("GET "):], " HTTP/1.1")
	if !ok {
		return nil, 0
	}
	u, ok := parseTarget(target)
	if !ok {
		return nil, 0
	}
	header, host, ok := parseFields(rest)
	if !ok {
		return nil, 0
	}
	r = new(http.Request).WithContext(ctx)
	r.Method, r.RequestURI, r.URL = http.MethodGet, target, u
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Header, r.Host, r.Body = header, host, http.NoBody
	return r, n
}

// parseTarget parses the target of a WebSocket's handshake.
func parseTarget(target string) (*url.URL, bool) {
	path, query, found := strings.Cut(target, "?")
	if path != "/" && path != "/v2" || found && query == "" {
		return nil, false
	}
	for i := range len(query) {
		if !plainQuery[query[i]] {
			return nil, false
		}
	}
	return &url.URL{Path: path, RawQuery: query}, true
}

// parseFields parses header fields, each with its line's end.
func parseFields(rest string) (h http.Header, host string, ok bool) {
	number := strings.Count(rest, "\n")
	if number > maxFields {
		return nil, "", false
	}
	h = make(http.Header, number)
	values := make([]string, 0, number) // for one value of each field
	hosts, upgrade := 0, false
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found || !plainValue(value) {
			return nil, "", false
		}
		if name, ok = fieldName(name); !ok {
			return nil, "", false
		}
		value = strings.Trim(value, " \t")
		switch name {
		case "Host":
			if hosts++; hosts > 1 || !plainHost(value) {
				return nil, "", false
			}
			host = value
			continue
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Http2-Settings":
			return nil, "", false // net/http handles these itself
		case "Connection":
			if !plainConnection(value) {
				return nil, "", false
			}
		case "Upgrade":
			upgrade = strings.EqualFold(value, "websocket")
		}
		if given := h[name]; given != nil {
			h[name] = append(given, value)
			continue
		}
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	// As net/http: RFC 9111, section 5.4.
	if pragma := h["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" {
		if _, given := h["Cache-Control"]; !given {
			h["Cache-Control"] = []string{"no-cache"}
		}
	}
	return h, host, hosts == 1 && upgrade
}

// fieldName returns the canonical form of a header's name.
func fieldName(name string) (_ string, ok bool) {
	canonical, upper := true, true
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z':
			canonical = canonical && !upper
		case c >= 'A' && c <= 'Z':
			canonical = canonical && upper
		case c >= '0' && c <= '9', c == '-':
		default:
			return "", false
		}
		upper = c == '-'
	}
	if canonical {
		return name, name != ""
	}
	if known, ok := knownNames[name]; ok {
		return known, true
	}
	return http.CanonicalHeaderKey(name), true
}

// knownNames are the canonical forms of the names that RFC 6455 and browsers write in another form.
// They need no memory for each request.
var knownNames = map[string]string{
	"Sec-WebSocket-Key":        "Sec-Websocket-Key",
	"Sec-WebSocket-Version":    "Sec-Websocket-Version",
	"Sec-WebSocket-Protocol":   "Sec-Websocket-Protocol",
	"Sec-WebSocket-Extensions": "Sec-Websocket-Extensions",
	"Sec-GPC":                  "Sec-Gpc",
	"X-Forwarded-For":          "X-Forwarded-For",
	"host":                     "Host",
	"upgrade":                  "Upgrade",
	"connection":               "Connection",
	"origin":                   "Origin",
	"user-agent":               "User-Agent",
	"cookie":                   "Cookie",
	"sec-websocket-key":        "Sec-Websocket-Key",
	"sec-websocket-version":    "Sec-Websocket-Version",
	"sec-websocket-protocol":   "Sec-Websocket-Protocol",
	"sec-websocket-extensions": "Sec-Websocket-Extensions",
}

// plainConnection reports whether net/http does nothing for the options of the header Connection: it
// handles close.
func plainConnection(value string) bool {
	for len(value) >= len("close") {
		if strings.EqualFold(value[:len("close")], "close") {
			return false
		}
		value = value[1:]
	}
	return true
}

// plainValue reports whether the value has only printable ASCII, spaces and tabs.
func plainValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}

// plainHost reports whether the host is a name or an address, with or without a port.
func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_:[]", c) >= 0) {
			return false
		}
	}
	return host != ""
}

// plainQuery are the bytes that a query may have: those of RFC 3986, section 3.4.
var plainQuery = func() (plain [256]bool) {
	const marks = "-._~!$&'()*+,;=:@/?%"
	for c := range plain {
		b := byte(c)
		plain[c] = b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte(marks, b) >= 0
	}
	return plain
}()
