package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReload: a changed option either takes effect, or keeps its old value and needs a restart.
func TestReload(t *testing.T) {
	for name, test := range map[string]struct {
		old, next string // boreas.toml
		want      string // the changes, and the values in force
	}{
		"nothing": {"", "", ""},
		"values and a restart": {
			"log_level = 'info'\napi_port = 1\nuser_requests = 5", "log_level = 'debug'\napi_port = 3\nallow_origin = 'https://a.example'",
			"api_port 1 -> 3 (restart), allow_origin * -> https://a.example, log_level info -> debug, user_requests 5 -> 200; in force: api_port=1 allow_origin=https://a.example log_level=debug",
		},
		"rules": {
			"rules = 'a.* client_publish'", "rules = 'a.* latest; b.*'",
			"rules a.* client_publish -> a.* latest; b.*; in force: rules=a.* latest; b.*",
		},
		"secrets are not shown": {
			"auth_url = 'https://h/a?key=hidden1'", "auth_url = 'https://h/a?key=hidden2'",
			"auth_url (not shown) -> (not shown) (restart); in force: auth_url=https://h/a?key=hidden1",
		},
		"on disk, messages": {
			"data_dir = '/d'\nrules = 'a.* history_messages=5'", "data_dir = '/d'\nrules = 'a.* history_messages=6; b.* history_messages=9'",
			"rules a.* history_messages=5 -> a.* history_messages=6; b.* history_messages=9; in force: data_dir=/d engine=disk history_age=1d rules=a.* history_messages=6; b.* history_messages=9",
		},
		"on disk, a channel would move to memory": {
			"data_dir = '/d'\nrules = 'a.*'\nlog_level = 'warn'", "data_dir = '/d'\nrules = 'a.* durable=memory'\nlog_level = 'info'",
			"log_level warn -> info, rules a.* -> a.* durable=memory (restart); in force: data_dir=/d engine=disk history_age=1d rules=a.*",
		},
		"on disk, a channel would keep nothing": {
			"data_dir = '/d'\nrules = 'a.*'", "data_dir = '/d'\nrules = 'a.* history_messages=0'",
			"rules a.* -> a.* history_messages=0 (restart); in force: data_dir=/d engine=disk history_age=1d rules=a.*",
		},
		"on disk, the same channels stay in memory": {
			"data_dir = '/d'\nrules = 'a.* durable=memory; b.*'", "data_dir = '/d'\nrules = 'a.* durable=memory client_publish; b.*'",
			"rules a.* durable=memory; b.* -> a.* durable=memory client_publish; b.*; in force: data_dir=/d engine=disk history_age=1d rules=a.* durable=memory client_publish; b.*",
		},
		"on disk, a longer age": {
			"data_dir = '/d'", "data_dir = '/d'\nhistory_age = '48h'",
			"history_age 1d -> 2d (restart); in force: data_dir=/d engine=disk history_age=1d",
		},
		"on disk, a shorter age": {
			"data_dir = '/d'", "data_dir = '/d'\nhistory_age = '1h'",
			"history_age 1d -> 1h; in force: data_dir=/d engine=disk history_age=1h",
		},
		"in a cluster, more messages": {
			"engine = 'nats://h'\nrules = 'a.* history_messages=5'", "engine = 'nats://h'\nrules = 'a.* history_messages=10001'\nlog_level = 'warn'",
			"rules a.* history_messages=5 -> a.* history_messages=10001 (restart), log_level info -> warn; in force: log_level=warn engine=nats://h history_age=1d rules=a.* history_messages=5",
		},
		"in a cluster, not more than before": {
			"engine = 'nats://h'\nrules = 'a.* history_messages=5'", "engine = 'nats://h'\nrules = 'a.* history_messages=10000 latest'",
			"rules a.* history_messages=5 -> a.* history_messages=10000 latest; in force: engine=nats://h history_age=1d rules=a.* history_messages=10000 latest",
		},
		"in a cluster, a longer age": {
			"engine = 'nats://h'", "engine = 'nats://h'\nhistory_age = '48h'",
			"history_age 1d -> 2d (restart); in force: engine=nats://h history_age=1d",
		},
		"another engine keeps the history": {
			"data_dir = '/d'", "",
			"data_dir /d ->  (restart), engine disk -> memory (restart), history_age 1d -> 5m (restart); in force: data_dir=/d engine=disk history_age=1d",
		},
		"a conflict with a value that stays": {
			"token_cookie = 'c'\nallow_origin = 'https://a.example'", "",
			"error: boreas.toml:1: token_cookie: a browser sends the cookie for every page that it shows, so any page could act for its user: name the origins of your own pages in allow_origin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			load := func(text string) Config {
				return mustLoad(t, Input{Dir: directory(t, map[string]string{tomlName: text})})
			}
			old, next := load(test.old), load(test.next)
			merged, changes, err := old.Reload(next)
			var told []string
			for _, c := range changes {
				told = append(told, fmt.Sprintf("%s %s -> %s", c.Name, c.Old, c.New))
				if c.Restart {
					told[len(told)-1] += " (restart)"
				}
			}
			got := strings.Join(told, ", ")
			var force []string
			for _, o := range Options() {
				if o.format(merged) != o.Default && o.Name != "config" {
					force = append(force, o.Name+"="+o.format(merged))
				}
			}
			if len(changes) > 0 {
				got += "; in force: " + strings.Join(force, " ")
			}
			if err != nil {
				got = "error: " + strings.Split(err.Error(), "\n")[0]
			}
			if diff := cmp.Diff(sorted(test.want), sorted(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// sorted splits a text, so that the order of the table has no effect.
func sorted(text string) map[string]bool {
	parts := make(map[string]bool)
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "; in force: ", ", "), ", ") {
		parts[part] = true
	}
	return parts
}

// TestReloadKeepsOrigins: the source of a value changes with it.
func TestReloadKeepsOrigins(t *testing.T) {
	old := mustLoad(t, Input{Env: []string{"BOREAS_LOG_LEVEL=info", "BOREAS_API_PORT=5"}})
	next := mustLoad(t, Input{Flags: map[string]string{"log_level": "warn", "api_port": "6"}})
	merged, _, err := old.Reload(next)
	if err != nil {
		t.Fatal(err)
	}
	if got := merged.Origin("log_level") + " " + merged.Origin("api_port"); got != "--log-level BOREAS_API_PORT" {
		t.Errorf("origins %s", got)
	}
	if old.Origin("log_level") != "BOREAS_LOG_LEVEL" {
		t.Error("the old configuration has changed")
	}
}

// TestReloadIsDocumented: the document names each option that can change, and no other one in its table.
func TestReloadIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "process.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Reload\n")
	table, _, _ := strings.Cut(rest, "It also reads these files")
	documented := make(map[string]bool)
	for line := range strings.Lines(table) {
		if first, ok := strings.CutPrefix(line, "| `"); ok {
			names, _, _ := strings.Cut(first, " |")
			for name := range strings.SplitSeq(names, ",") {
				documented[strings.Trim(name, " `")] = true
			}
		}
	}
	reloads := make(map[string]bool)
	for _, o := range Options() {
		if o.Reloads() {
			reloads[o.Name] = true
		}
	}
	if diff := cmp.Diff(reloads, documented); diff != "" {
		t.Errorf("(-code +docs/process.md):\n%s", diff)
	}
}
