package config

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrint(t *testing.T) {
	c := mustLoad(t, Input{
		Flags: map[string]string{"debug": "False", "config": "my.conf"},
		Env:   []string{"BOREAS_TOKEN_PROVIDER=http://u:secret@h/t?key=secret"},
		Dir:   directory(t, map[string]string{"my.conf": "\nmax_body = '2048KiB'\napi_host = ''"}),
	})
	var got bytes.Buffer
	if err := c.Print(&got); err != nil {
		t.Fatal(err)
	}
	const want = `OPTION                  VALUE                         FROM
config                  my.conf                       --config
api_host                ""                            my.conf:3
api_port                8001                          default
ws_host                 127.0.0.1                     default
ws_port                 8002                          default
require_auth            true                          default
allow_origin            *                             default
token_provider          http://REDACTED@h/t?REDACTED  BOREAS_TOKEN_PROVIDER
token_provider_timeout  10s                           default
token_cookie            ""                            default
data_dir                ""                            default
jwt_keys                ""                            default
jwt_issuer              ""                            default
jwt_audience            ""                            default
jwt_leeway              30s                           default
jwt_user_claim          sub                           default
jwt_rules_claim         boreas                        default
jwt_info_claim          info                          default
jwt_default_rules       ""                            default
auth_url                ""                            default
auth_url_headers        ""                            default
auth_url_timeout        3s                            default
api_insecure            false                         default
api_hosts               ""                            default
admin_key               ""                            default
ui                      true                          default
debug                   false                         --debug
debug_listen            ""                            default
log_level               info                          default
log_format              text                          default
max_connections         0                             default
api_connections         0                             default
max_channels            1000                          default
channel_memory          0                             default
accept_rate             5000                          default
max_message             64KiB                         default
compression             true                          default
compression_min         128                           default
max_body                2MiB                          my.conf:2
peer_memory             128MiB                        default
workers                 0                             default
trusted_proxies         ""                            default
proxy_protocol          false                         default
unlimited_addresses     127.0.0.0/8, ::1              default
address_connections     1000                          default
address_accepts         200                           default
address_requests        1000                          default
address_bytes           16MiB                         default
address_failures        20                            default
address_channels        50000                         default
user_connections        100                           default
user_requests           200                           default
user_publishes          100                           default
user_bytes              4MiB                          default
user_channels           10000                         default
key_requests            0                             default
key_publishes           0                             default
key_bytes               0                             default
header_timeout          10s                           default
anonymous_timeout       0s                            default
ws_ping_interval        25s                           default
ws_ping_timeout         20s                           default
shutdown_delay          0s                            default
drain_time              10s                           default
engine                  memory                        default
durable                 sync                          default
sync_interval           0s                            default
history_messages        10000                         default
history_bytes           16MiB                         default
history_age             5m                            default
history_memory          256MiB                        default
history_disk            4GiB                          default
disk_free               256MiB                        default
rules                   ""                            default
presence_linger         5s                            default
presence_users          1000                          default
idempotency_window      2m                            default
node                    ""                            default
cluster_peers           ""                            default
cluster_secret          ""                            default
cluster_listen          ""                            default
cluster_ca              ""                            default
cluster_cert            ""                            default
cluster_key             ""                            default
cluster_insecure        false                         default
cluster_history         8GiB                          default
nats_replicas           3                             default
nats_prefix             boreas                        default
nats_user               ""                            default
nats_password           ""                            default
nats_token              ""                            default
nats_nkey               ""                            default
nats_creds              ""                            default
nats_ca                 ""                            default
nats_cert               ""                            default
nats_key                ""                            default
ws_tls_cert             ""                            default
ws_tls_key              ""                            default
api_tls_cert            ""                            default
api_tls_key             ""                            default
api_client_ca           ""                            default
acme_domains            ""                            default
acme_cache              ""                            default
acme_email              ""                            default
acme_directory          ""                            default
acme_ca                 ""                            default
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

// TestPrintTOML prints options and reads them back.
func TestPrintTOML(t *testing.T) {
	given := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{
		"api_port": "0", "debug": "false", "max_body": "1500", "max_message": "2KiB", "drain_time": "0", "history_age": "1d",
		"rules": "a.** latest; b", "allow_origin": "https://a.example, http://b:8080",
		"token_provider": "exec:printf 'a\\n\"b\"'\tc\x7f é",
	}})
	var printed bytes.Buffer
	if err := given.PrintTOML(&printed); err != nil {
		t.Fatal(err)
	}
	read := mustLoad(t, Input{Dir: directory(t, map[string]string{"boreas.toml": printed.String()})})
	given.File = "boreas.toml"
	if diff := cmp.Diff(given, read, ignoreOrigins); diff != "" {
		t.Errorf("%s\n%s", diff, printed.String())
	}
	for _, o := range Options() {
		if got, want := read.Given(o.Name), given.Given(o.Name); got != want {
			t.Errorf("%s: given in the file: %v, want %v", o.Name, got, want)
		}
	}

	// With all lines uncommented, the file sets each option to its default.
	var defaults bytes.Buffer
	if err := Default().PrintTOML(&defaults); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for line := range strings.Lines(defaults.String()) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "# "), " = "); ok && !strings.Contains(name, " ") {
			line = strings.TrimPrefix(line, "# ")
		}
		all.WriteString(line)
	}
	read = mustLoad(t, Input{Dir: directory(t, map[string]string{"boreas.toml": all.String()})})
	if diff := cmp.Diff(with(func(c *Config) { c.File = "boreas.toml" }), read, ignoreOrigins); diff != "" {
		t.Error(diff)
	}
	for _, o := range Options() {
		if read.Given(o.Name) == o.FlagOnly {
			t.Errorf("%s: given in the file: %v", o.Name, read.Given(o.Name))
		}
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	for given, want := range map[string]string{"hunter2": redacted, "file:/p": "file:/p"} {
		c := mustLoad(t, Input{
			Dir: t.TempDir(), Flags: map[string]string{"engine": "nats://a", "nats_user": "u"},
			Env: []string{"BOREAS_NATS_PASSWORD=" + given},
		})
		var table, file bytes.Buffer
		if err := errors.Join(c.Print(&table), c.PrintTOML(&file)); err != nil {
			t.Fatal(err)
		}
		for _, got := range []string{table.String(), file.String()} {
			if strings.Contains(got, "hunter2") || !strings.Contains(got, want) {
				t.Error(got)
			}
		}
	}
}

func TestPrintTOMLHidesSecrets(t *testing.T) {
	c := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{"token_provider": "http://u:secret@h/"}})
	var printed bytes.Buffer
	if err := c.PrintTOML(&printed); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed.String(), "secret@") || !strings.Contains(printed.String(), "\n# token_provider = \"http://REDACTED@h/\"\n") {
		t.Error(printed.String())
	}
}
