package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	wantPort   = "want a whole number from 1 to 65535 (0 means any free port)"
	wantHost   = "want an IP address or a host name (empty means all addresses)"
	wantBody   = "want a size from 1KiB to 1GiB, such as 64KiB or 65536"
	wantTime   = "want a duration from 1s to 1h, such as 1m30s or 90 (0 means all at once)"
	wantNets   = "want addresses and networks such as 192.0.2.7 and 10.0.0.0/8, separated by commas (empty means none)"
	wantOrigin = "want * or origins such as https://example.com, separated by commas (empty means pages of no other origin)"
	wantKeys   = "want hs256:FILE, hs384:FILE, hs512:FILE, file:FILE or https://URL, several with spaces between them"
	wantFrom   = "want no_tokens, file:PATH, exec:COMMAND, http://URL or https://URL"
)

// TestBadFlag sets one bad value at a time. The environment and files use the same code.
func TestBadFlag(t *testing.T) {
	tests := []struct{ option, value, want string }{
		{"api_port", "80001", `--api-port: ` + wantPort + `, not "80001"`},
		{"api_port", "-1", `--api-port: ` + wantPort + `, not "-1"`},
		{"api_port", "http", `--api-port: ` + wantPort + `, not "http"`},
		{"api_port", "0x10", `--api-port: ` + wantPort + `, not "0x10"`},
		{"api_port", "99999999999999999999", `--api-port: ` + wantPort + `, not "99999999999999999999"`},
		{"debug", "maybe", `--debug: want true or false, not "maybe"`},
		{"api_host", "127.0.0.1:80", `--api-host: ` + wantHost + `, not "127.0.0.1:80": the port is a separate option`},
		{"api_host", "[::1]", `--api-host: ` + wantHost + `, not "[::1]": omit the brackets`},
		{"api_host", "http://x", `--api-host: ` + wantHost + `, not "http://x": omit the scheme and everything after the name`},
		{"api_host", "a b", `--api-host: ` + wantHost + `, not "a b": a host name has letters, digits, dots and dashes`},
		{"max_body", "1023", `--max-body: ` + wantBody + `, not "1023"`},
		{"max_body", "1M", `--max-body: ` + wantBody + `, not "1M"`},
		{"max_body", "KiB", `--max-body: ` + wantBody + `, not "KiB"`},
		{"max_body", "9999999999999GiB", `--max-body: ` + wantBody + `, not "9999999999999GiB"`},
		{"max_body", "17179869185GiB", `--max-body: ` + wantBody + `, not "17179869185GiB"`}, // 1 GiB more than 2^64
		{"drain_time", "2h", `--drain-time: ` + wantTime + `, not "2h"`},
		{"drain_time", "-1s", `--drain-time: ` + wantTime + `, not "-1s"`},
		{"drain_time", "NaN", `--drain-time: ` + wantTime + `, not "NaN"`},
		{"drain_time", "1e300", `--drain-time: ` + wantTime + `, not "1e300"`},
		{"drain_time", "99999999999d", `--drain-time: ` + wantTime + `, not "99999999999d"`},
		{"log_level", "loud", `--log-level: want one of debug, info, warn, error, not "loud"`},
		{"token_provider", "tokens.txt", `--token-provider: ` + wantFrom + `, not "tokens.txt": put file: before a file's name, or exec: before a command`},
		{"token_provider", "file:", `--token-provider: ` + wantFrom + `, not "file:": the file's name is missing`},
		{"token_provider", "exec: ", `--token-provider: ` + wantFrom + `, not "exec:": the command is missing`},
		{"token_provider", "http://", `--token-provider: ` + wantFrom + `, not "http://": that is not a valid URL`},
		{"token_provider", "htp://u:secret@h", `--token-provider: ` + wantFrom + `, not the one given: unknown kind of provider`},
		{"token_provider", "http://u:sec/ret@h", `--token-provider: ` + wantFrom + `, not the one given: that is not a valid URL`},
		{
			"token_provider", "boreas.utils.tokens:mine",
			`--token-provider: ` + wantFrom + `, not "boreas.utils.tokens:mine": boreas.utils.tokens:no_tokens ` +
				`is the only Python function of Boreas 1.0 that works here; use a command (exec:) for your own`,
		},
		{"jwt_keys", "my secret", `--jwt-keys: ` + wantKeys + `, not the one given: an entry has none of these forms; put a secret into a file, not here`},
		{"jwt_keys", "hs256:a hs512:", `--jwt-keys: ` + wantKeys + `, not the one given: after hs512: the file's name is missing`},
		{"jwt_keys", "https://", `--jwt-keys: ` + wantKeys + `, not the one given: the URL has no host`},
		{"auth_url", "backend", `--auth-url: want a URL that begins with http:// or https://, not "backend": the URL does not begin with http:// or https://`},
		{"auth_url", "ftp://u:secret@h", `--auth-url: want a URL that begins with http:// or https://, not the one given: the URL does not begin with http:// or https://`},
		{"auth_url_headers", "Cookie, X Y:", `--auth-url-headers: want names of headers with commas between them, not "Cookie, X Y:": "Y:" is not the name of a header`},
		{"token_cookie", "a b", `--token-cookie: want a cookie's name, not "a b": a name has letters, digits, dots and dashes`},
		{"token_cookie", "session", `--token-cookie: token_cookie: a browser sends the cookie for every page that it shows, so any page could act for its user: name the origins of your own pages in allow_origin`},
		{"allow_origin", "https://a.example,*", `--allow-origin: ` + wantOrigin + `, not "https://a.example,*": * allows all origins: give it alone`},
		{"allow_origin", "a.example", `--allow-origin: ` + wantOrigin + `, not "a.example": "a.example" is not an origin: put the scheme before the name`},
		{"allow_origin", "https://a.example/", `--allow-origin: ` + wantOrigin + `, not "https://a.example/": "https://a.example/" is not an origin: omit everything after the name and port`},
		{"allow_origin", "https://a.example,,", `--allow-origin: ` + wantOrigin + `, not "https://a.example,,": an entry is empty: remove the extra comma`},
		{"allow_origin", "https://A.example", `--allow-origin: ` + wantOrigin + `, not "https://A.example": browsers send "https://A.example" in lower case`},
		{"allow_origin", "https://a.example:443", `--allow-origin: ` + wantOrigin + `, not "https://a.example:443": browsers send "https://a.example:443" as https://a.example`},
		{"allow_origin", "http://a.example:080", `--allow-origin: ` + wantOrigin + `, not "http://a.example:080": browsers send "http://a.example:080" as http://a.example`},
		{"allow_origin", "https://a.example:08443", `--allow-origin: ` + wantOrigin + `, not "https://a.example:08443": browsers send "https://a.example:08443" as https://a.example:8443`},
		{"allow_origin", "https://a.example:", `--allow-origin: ` + wantOrigin + `, not "https://a.example:": browsers send "https://a.example:" as https://a.example`},
		{"allow_origin", "https://a.example:70000", `--allow-origin: ` + wantOrigin + `, not "https://a.example:70000": "https://a.example:70000" is not an origin that a browser can send`},
		{"allow_origin", "https://bücher.example", `--allow-origin: ` + wantOrigin + `, not "https://bücher.example": browsers send "https://bücher.example" as https://xn--bcher-kva.example`},
		{"allow_origin", "https://[::ffff:127.0.0.1]", `--allow-origin: ` + wantOrigin + `, not "https://[::ffff:127.0.0.1]": browsers send "https://[::ffff:127.0.0.1]" as https://[::ffff:7f00:1]`},
		{"allow_origin", "HTTPS://a.example", `--allow-origin: ` + wantOrigin + `, not "HTTPS://a.example": browsers send "HTTPS://a.example" in lower case`},
		{"allow_origin", "http://[0:0::1]:3000", `--allow-origin: ` + wantOrigin + `, not "http://[0:0::1]:3000": browsers send "http://[0:0::1]:3000" as http://[::1]:3000`},
		{"allow_origin", "http://127.1", `--allow-origin: ` + wantOrigin + `, not "http://127.1": "http://127.1" is not an origin that a browser can send`},
		{"allow_origin", "http://0x7f.1", `--allow-origin: ` + wantOrigin + `, not "http://0x7f.1": "http://0x7f.1" is not an origin that a browser can send`},
		{"allow_origin", "https://a..example,https://a!.example", `--allow-origin: ` + wantOrigin + `, not "https://a..example,https://a!.example": "https://a!.example" is not an origin that a browser can send`},
		{"allow_origin", "wss://a.example", `--allow-origin: ` + wantOrigin + `, not "wss://a.example": "wss://a.example" is not a page's origin: write http for ws, https for wss`},
		{"allow_origin", "https://*.example", `--allow-origin: ` + wantOrigin + `, not "https://*.example": "https://*.example": patterns are not supported: name each origin`},
		{"accept_rate", "-1", `--accept-rate: want a whole number from 1 to 10000000 (0 means no limit), not "-1"`},
		{"presence_users", "0", `--presence-users: want a whole number from 1 to 1000000, not "0"`},
		{"presence_linger", "2h", `--presence-linger: want a duration from 1s to 1h, such as 1m30s or 90 (0 means at once), not "2h"`},
		{"idempotency_window", "2d", `--idempotency-window: want a duration from 1s to 1d, such as 1m30s or 90 (0 means keys have no effect), not "2d"`},
		{"ws_ping_timeout", "30s", "--ws-ping-timeout: ws_ping_timeout: 30s is longer than ws_ping_interval, 25s: make it at most as long"},
		{"trusted_proxies", "10.0.0.0/8,", `--trusted-proxies: ` + wantNets + `, not "10.0.0.0/8,": an entry is empty: remove the extra comma`},
		{"trusted_proxies", "proxy.example", `--trusted-proxies: ` + wantNets + `, not "proxy.example": "proxy.example" is neither an address nor a network`},
		{"trusted_proxies", "10.0.0.0/33", `--trusted-proxies: ` + wantNets + `, not "10.0.0.0/33": "10.0.0.0/33" is neither an address nor a network`},
		{"trusted_proxies", "fe80::1%eth0", `--trusted-proxies: ` + wantNets + `, not "fe80::1%eth0": "fe80::1%eth0" is neither an address nor a network`},
		{"trusted_proxies", "::ffff:10.0.0.1", `--trusted-proxies: ` + wantNets + `, not "::ffff:10.0.0.1": "::ffff:10.0.0.1": write it as IPv4`},
		{"unlimited_addresses", "::1, 10.0.0.1/8", `--unlimited-addresses: ` + wantNets + `, not "::1, 10.0.0.1/8": "10.0.0.1/8" has bits set after its prefix: write 10.0.0.0/8 or 10.0.0.1`},
		{"proxy_protocol", "true", `--proxy-protocol: proxy_protocol needs trusted_proxies: name the proxies that send its headers`},
		{"address_accepts", "-1", `--address-accepts: want a whole number from 1 to 10000000 (0 means no limit), not "-1"`},
		{"user_bytes", "10", `--user-bytes: want a size from 1KiB to 1TiB, such as 64KiB or 65536 (0 means no limit), not "10"`},
		{"config", "absent.toml", "absent.toml: cannot read the configuration file: " + notExist()},
	}
	for _, test := range tests {
		t.Run(test.option+"="+test.value, func(t *testing.T) {
			_, err := Load(Input{Flags: map[string]string{test.option: test.value}, Dir: t.TempDir()})
			checkError(t, err, test.want)
		})
	}
}

// notExist returns the system's error for a file that does not exist.
func notExist() string {
	_, err := os.Open("absent")
	return err.(*os.PathError).Err.Error()
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadEnvironment(t *testing.T) {
	_, err := Load(Input{Dir: t.TempDir(), OtherEnv: []string{"BOREAS_API_URL"}, Env: []string{
		"BOREAS_API_UR=1",
		"BOREAS_API_PROT=1", "BOREAS_SOMETHING=1", "BOREAS_WS_PORT=tcp://10.0.0.7:80", "BOREAS_DEBUG=2",
		// These are variables of other programs:
		"BOREAS_API_URL=http://localhost:8001", "BOREAS_SERVICE_HOST=10.0.0.1", "BOREAS_SERVICE_PORT_API=8001", "BOREAS_PORT=tcp://10.0.0.1:8001",
		"BOREAS_WEB_PORT_80_TCP_ADDR=10.0.0.1", "PATH=/bin", "BOREASX=1", "BOREAS_UNSET=",
	}})
	checkError(t, err, strings.Join([]string{
		"BOREAS_API_UR: there is no such option; did you mean BOREAS_API_URL?",
		"BOREAS_API_PROT: there is no such option; did you mean BOREAS_API_PORT?",
		"BOREAS_SOMETHING: there is no such option",
		`BOREAS_DEBUG: want true or false, not "2"`,
		`BOREAS_WS_PORT: ` + wantPort + `, not "tcp://10.0.0.7:80" (Kubernetes sets this for a Service of that name: give the pod enableServiceLinks: false)`,
	}, "\n"))
}

// TestBadFile reads files with many errors. All errors are reported, in order, with their
// positions.
func TestBadFile(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"boreas.conf", `import os
api_prt = 1
api_port = 80001  # too high
	debug = 'yes'
log_level = 'info
ws_port == 3
ws_host = localhost
max_body = true
drain_time = 5 * 60
config = 'x'
max_channels = [1]
log_format = 1
ws_port =
log_level = '\xzz'
workers = 1.5
token_provider = 'http://u:secret@'
token_provider = 'htp:secret@h'
debug = 3 # as in http://u:secret@h
`, `boreas.conf:1: want a line such as api_port = 8001
   1 | import os
     | ^^^^^^^^^
boreas.conf:2: there is no option api_prt; did you mean api_port?
   2 | api_prt = 1
     | ^^^^^^^
boreas.conf:3: api_port: ` + wantPort + `, not 80001
   3 | api_port = 80001  # too high
     |            ^^^^^
boreas.conf:4: debug: want true or false, not "yes"
   4 | 	debug = 'yes'
     | 	        ^^^^^
boreas.conf:5: the text has no closing quote on its line
   5 | log_level = 'info
     |             ^^^^^
boreas.conf:6: want a line such as api_port = 8001
   6 | ws_port == 3
     | ^^^^^^^^^^^^
boreas.conf:7: want a number, a text in quotes, True, False or None
   7 | ws_host = localhost
     |           ^^^^^^^^^
boreas.conf:8: write True, with a capital letter as in Python
   8 | max_body = true
     |            ^^^^
boreas.conf:9: nothing but a comment may follow the value
   9 | drain_time = 5 * 60
     |                ^^^^
boreas.conf:10: config cannot be given in a file, only as --config or BOREAS_CONFIG
  10 | config = 'x'
     | ^^^^^^
boreas.conf:11: want a number, a text in quotes, True, False or None
  11 | max_channels = [1]
     |                ^^^
boreas.conf:12: log_format: want one of text, json, not 1: put it in quotes
  12 | log_format = 1
     |              ^
boreas.conf:13: the value is missing
  13 | ws_port =
     |          ^
boreas.conf:14: want 2 hexadecimal digits of a character after \x
  14 | log_level = '\xzz'
     |              ^^^^
boreas.conf:15: workers: want a whole number from 1 to 1024 (0 means one for each processor), not 1.5
  15 | workers = 1.5
     |           ^^^
boreas.conf:16: token_provider: ` + wantFrom + `, not the one given: that is not a valid URL
boreas.conf:17: token_provider: ` + wantFrom + `, not the one given: unknown kind of provider
boreas.conf:18: debug: want true or false, not 3`},
		{"boreas.conf", "debug = True\napi_host = '\xff'\n", `boreas.conf:2: not UTF-8 text: save the file as UTF-8
   2 | api_host = '�'
     | ^^^^^^^^^^^^^^`},
		{"boreas.toml", `api_prt = 1
api_port = 80001
debug = "yes"
ws_port = [2]
log_level = 2024-01-01
a.b = 1
max_body = "12 furlongs"
workers = {}
[server]
api_port = 1
`, `boreas.toml:1: there is no option api_prt; did you mean api_port?
   1 | api_prt = 1
     | ^^^^^^^
boreas.toml:2: api_port: ` + wantPort + `, not 80001
   2 | api_port = 80001
     |            ^^^^^
boreas.toml:3: debug: want true or false, not "yes"
   3 | debug = "yes"
     |         ^^^^^
boreas.toml:4: ws_port: ` + wantPort + `, not a list
   4 | ws_port = [2]
     | ^^^^^^^
boreas.toml:5: log_level: want one of debug, info, warn, error, not a date or time: put it in quotes
   5 | log_level = 2024-01-01
     |             ^^^^^^^^^^
boreas.toml:6: tables are not supported: write an option's name without dots
   6 | a.b = 1
     | ^
boreas.toml:7: max_body: ` + wantBody + `, not "12 furlongs"
   7 | max_body = "12 furlongs"
     |            ^^^^^^^^^^^^^
boreas.toml:8: workers: want a whole number from 1 to 1024 (0 means one for each processor), not a table
   8 | workers = {}
     | ^^^^^^^
boreas.toml:9: tables are not supported: write all options at the top, as name = value
   9 | [server]
     |  ^^^^^^`},
		{"boreas.toml", "debug = true\nws_port = \n", `boreas.toml:2: unexpected character U+000A at start of value
   2 | ws_port = 
     |           ^`},
		{"boreas.toml", "ws_port = 1\nws_port = 2\n", `boreas.toml:2: key ws_port is already defined
   2 | ws_port = 2
     | ^`},
		{"boreas.conf", strings.Repeat("?\n", 40), manyMistakes()},
		{"boreas.toml", strings.Repeat("#", maxFile+1), "boreas.toml: cannot read the configuration file: it has more than 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(Input{Dir: directory(t, map[string]string{test.name: test.text})})
			checkError(t, err, test.want)
		})
	}
}

// manyMistakes returns the errors for a file of 40 lines that each have one question mark.
func manyMistakes() string {
	var b strings.Builder
	for line := 1; line <= maxReported; line++ {
		fmt.Fprintf(&b, "boreas.conf:%d: want a line such as api_port = 8001\n%4d | ?\n     | ^\n", line, line)
	}
	return b.String() + "boreas.conf: and 20 more mistakes"
}
