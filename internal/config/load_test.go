package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// directory creates a directory with the given files.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mustLoad loads options that have no errors.
func mustLoad(t *testing.T, in Input) Config {
	t.Helper()
	c, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with returns the default configuration with changes.
func with(change func(*Config)) Config {
	c := Default()
	change(&c)
	return c
}

var ignoreOrigins = cmpopts.IgnoreUnexported(Config{})

func TestDefault(t *testing.T) {
	want := Config{
		APIHost: "127.0.0.1", APIPort: 8001, WSHost: "127.0.0.1", WSPort: 8002,
		Debug: true, RequireAuth: true, UI: true,
		TokenProvider: "no_tokens", TokenProviderTimeout: 10 * time.Second,
		LogLevel: "info", LogFormat: "text",
		MaxChannels: 1000, MaxMessage: 64 << 10, Compression: true, CompressionMin: 128, MaxBody: 1 << 20, PeerMemory: 128 << 20,
		HeaderTimeout: 10 * time.Second, WSPingInterval: 25 * time.Second, WSPingTimeout: 20 * time.Second,
		DrainTime:       10 * time.Second,
		HistoryMessages: 10_000, HistoryBytes: 16 << 20, HistoryAge: 5 * time.Minute, HistoryMemory: 256 << 20,
		Engine: EngineMemory, Durable: DurableSync, HistoryDisk: 4 << 30, DiskFree: 256 << 20,
		ClusterHistory: 8 << 30, NATSReplicas: 3, NATSPrefix: "boreas",
		PresenceLinger: 5 * time.Second, PresenceUsers: 1000, IdempotencyWindow: 2 * time.Minute,
		AcceptRate: 5000, AllowOrigin: "*",
		JWTLeeway: 30 * time.Second, JWTUserClaim: "sub", JWTRulesClaim: "boreas", JWTInfoClaim: "info", AuthURLTimeout: 3 * time.Second,
		UnlimitedAddresses: "127.0.0.0/8, ::1",
		AddressConnections: 1000, AddressAccepts: 200, AddressRequests: 1000, AddressBytes: 16 << 20, AddressFailures: 20, AddressChannels: 50_000,
		UserConnections: 100, UserRequests: 200, UserPublishes: 100, UserBytes: 4 << 20, UserChannels: 10_000,
	}
	if diff := cmp.Diff(want, mustLoad(t, Input{Dir: t.TempDir()}), ignoreOrigins); diff != "" {
		t.Error(diff)
	}
}

func TestFirstSourceCounts(t *testing.T) {
	const file = "api_port = 3\n"
	env := []string{"BOREAS_API_PORT=2", "HOME=/root"}
	flags := map[string]string{"api_port": "1"}
	tests := []struct {
		name   string
		in     Input
		port   int
		origin string
	}{
		{"flag", Input{Flags: flags, Env: env, Dir: directory(t, map[string]string{"boreas.conf": file})}, 1, "--api-port"},
		{"environment", Input{Env: env, Dir: directory(t, map[string]string{"boreas.conf": file})}, 2, "BOREAS_API_PORT"},
		{"file", Input{Dir: directory(t, map[string]string{"boreas.conf": file})}, 3, "boreas.conf:1"},
		{"default", Input{Dir: t.TempDir()}, 8001, "default"},
		{"an empty variable is unset", Input{Env: []string{"BOREAS_API_PORT="}, Dir: t.TempDir()}, 8001, "default"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := mustLoad(t, test.in)
			if c.APIPort != test.port || c.Origin("api_port") != test.origin {
				t.Errorf("api_port = %d from %s, want %d from %s", c.APIPort, c.Origin("api_port"), test.port, test.origin)
			}
			if got, want := c.Given("api_port"), test.origin != DefaultOrigin; got != want {
				t.Errorf("Given = %v, want %v", got, want)
			}
		})
	}
}

func TestWhichFile(t *testing.T) {
	const three, four = "api_port = 3\n", "api_port = 4\n"
	both := "boreas.toml is read and boreas.conf is ignored: both files exist, and one is enough"
	tests := []struct {
		name  string
		in    Input
		files map[string]string
		port  int
		file  string
		notes []string
	}{
		{name: "none", port: 8001},
		{name: "conf", files: map[string]string{"boreas.conf": three}, port: 3, file: "boreas.conf"},
		{name: "toml", files: map[string]string{"boreas.toml": three}, port: 3, file: "boreas.toml"},
		{name: "both", files: map[string]string{"boreas.toml": three, "boreas.conf": four}, port: 3, file: "boreas.toml", notes: []string{both}},
		{
			name: "named by flag", in: Input{Flags: map[string]string{"config": "my.conf"}, Env: []string{"BOREAS_CONFIG=boreas.toml"}},
			files: map[string]string{"boreas.toml": three, "my.conf": four}, port: 4, file: "my.conf",
		},
		{
			name: "named by environment", in: Input{Env: []string{"BOREAS_CONFIG=my.toml"}},
			files: map[string]string{"boreas.toml": three, "my.toml": four}, port: 4, file: "my.toml",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.in.Dir = directory(t, test.files)
			c := mustLoad(t, test.in)
			if c.APIPort != test.port || c.File != test.file {
				t.Errorf("port %d from %q, want %d from %q", c.APIPort, c.File, test.port, test.file)
			}
			if diff := cmp.Diff(test.notes, c.Notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestConfOfBoreas1 reads a typical file of Boreas 1.0.
func TestConfOfBoreas1(t *testing.T) {
	const old = "# -*- coding: utf-8 -*-\r\n" + `
# production
api_port=9001
  api_host = "10.0.0.1"   # internal
ws_port	=	0x2332
ws_host = u'0.0.0.0'
debug = False;
require_auth = True
token_provider = 'no_tokens' # for now
token_provider = r'''exec:grep "\d" t\x'''
log_level = None
log_format = '\x6as\u006fn'
`
	c := mustLoad(t, Input{Dir: directory(t, map[string]string{"boreas.conf": "\ufeff" + old})})
	want := with(func(c *Config) {
		c.APIPort, c.APIHost, c.WSPort, c.WSHost = 9001, "10.0.0.1", 9010, "0.0.0.0"
		c.Debug, c.TokenProvider, c.LogFormat = false, `exec:grep "\d" t\x`, "json"
		c.File = "boreas.conf"
		c.Notes = []string{"boreas.conf:11: token_provider was already set in line 10; the last value counts"}
	})
	if diff := cmp.Diff(want, c, ignoreOrigins); diff != "" {
		t.Error(diff)
	}
}

// TestTextIsTrimmed sets each text option to a value with a line break or blank around it, as in
// secrets and environment files. If the option kept them, it would fail silently: no token would
// have that issuer, or a directory would have another name.
func TestTextIsTrimmed(t *testing.T) {
	values := map[string]string{
		"token_provider": "file:tokens", "jwt_keys": "hs256:secret", "auth_url": "https://backend.example/check",
		"jwt_default_rules": "[]", "allow_origin": "https://a.example", "acme_email": "ops@example.com",
		"acme_directory": "https://acme.example/directory", "acme_domains": "push.example.com",
		"trusted_proxies": "192.0.2.1", "unlimited_addresses": "192.0.2.1", "engine": "nats://a.example", "node": "n1",
		"cluster_peers": "n1,n2,n3", "cluster_listen": ":6222", "nats_prefix": "live", "debug_listen": "127.0.0.1:6060",
	}
	for _, o := range Options() {
		_, isText := o.field(new(Config)).(*string)
		if !isText || o.FlagOnly {
			continue
		}
		want := values[o.Name]
		if want == "" {
			want = "a.example"
		}
		if len(o.choices) > 0 {
			want = o.choices[1]
		}
		for _, around := range [][2]string{{"", "\n"}, {"", "\r\n"}, {" ", " "}, {"\t", ""}, {"\ufeff", "\r\n"}, {" \ufeff ", ""}} {
			c := newLoader().config
			if err := o.set(&c, value{text: around[0] + want + around[1]}); err != nil {
				t.Errorf("%s=%q: %v", o.Name, around[0]+want+around[1], err)
			} else if got := *o.field(&c).(*string); got != want {
				t.Errorf("%s=%q: got %q", o.Name, around[0]+want+around[1], got)
			}
		}
		if inner := "a\x00b"; o.set(new(Config), value{text: inner}) == nil && !o.lines {
			t.Errorf("%s=%q is accepted", o.Name, inner)
		}
	}
	c, err := Load(Input{Env: []string{"BOREAS_DATA_DIR= \n", "BOREAS_JWT_ISSUER=https://issuer.example/\n"}, Dir: t.TempDir()})
	if err != nil || c.Given("data_dir") || c.JWTIssuer != "https://issuer.example/" {
		t.Errorf("got %v, data_dir given %v, issuer %q", err, c.Given("data_dir"), c.JWTIssuer)
	}
	for _, in := range []Input{{Env: []string{"BOREAS_CONFIG= boreas.test\r\n"}}, {Flags: map[string]string{"config": "\ufeffboreas.test\n"}}} {
		in.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(in.Dir, "boreas.test"), []byte("api_port = 9009\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Load(in); err != nil || c.APIPort != 9009 || c.File != "boreas.test" {
			t.Errorf("%q, %q: got %v, port %d, file %q", in.Env, in.Flags, err, c.APIPort, c.File)
		}
	}
}

// TestEncodingsOfFiles reads the same file with a byte order mark and as UTF-16.
func TestEncodingsOfFiles(t *testing.T) {
	utf16 := func(text string) string {
		var b strings.Builder
		b.WriteString("\xff\xfe")
		for _, c := range []byte(text) {
			b.WriteByte(c)
			b.WriteByte(0)
		}
		return b.String()
	}
	for name, text := range map[string]string{"boreas.toml": "api_port = 9001\r\n", "boreas.conf": "api_port = 9001\n"} {
		for how, saved := range map[string]string{"plain": text, "mark": "\xef\xbb\xbf" + text, "UTF-16": utf16(text)} {
			if c, err := Load(Input{Dir: directory(t, map[string]string{name: saved})}); err != nil || c.APIPort != 9001 {
				t.Errorf("%s, %s: port %d, %v", name, how, c.APIPort, err)
			}
		}
		dir := directory(t, map[string]string{name: utf16(text)[2:]})
		want := name + ": cannot read the configuration file: byte 1 is NUL, so it is not UTF-8 text: save it as UTF-8"
		if _, err := Load(Input{Dir: dir}); err == nil || err.Error() != want {
			t.Errorf("%s, UTF-16 without a mark: got %v", name, err)
		}
	}
}

func TestJWTOptionsWithoutKeys(t *testing.T) {
	flags := map[string]string{"jwt_issuer": "https://issuer.example/", "jwt_leeway": "30s"}
	c := mustLoad(t, Input{Dir: t.TempDir(), Flags: flags})
	want := []string{"jwt_issuer is given and jwt_keys is not: without keys the server accepts no JWT"}
	if diff := cmp.Diff(want, c.Notes); diff != "" {
		t.Error(diff)
	}
	flags["jwt_keys"] = "hs256:secret"
	if c := mustLoad(t, Input{Dir: t.TempDir(), Flags: flags}); len(c.Notes) > 0 {
		t.Error(c.Notes)
	}
}
