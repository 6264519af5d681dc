package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShown(t *testing.T) {
	c := mustLoad(t, Input{
		Flags: map[string]string{"api_port": "9001", "config": "my.conf"},
		Env:   []string{"BOREAS_TOKEN_PROVIDER=http://u:hidden@h/t?key=hidden", "BOREAS_NATS_PASSWORD=hidden"},
		Dir:   directory(t, map[string]string{"my.conf": "max_body = '2048KiB'\nauth_url = 'https://h/hidden'\nengine = 'nats://a,b'\nnats_user = 'u'\nrules = 'a.* presence; b'"}),
	})
	got := make(map[string]Shown)
	all := c.Shown()
	for _, s := range all {
		if s.Source != FromDefault || s.Secret {
			got[s.Name] = s
		}
	}
	want := map[string]Shown{
		"config":         {"config", "my.conf", FromFlag, false},
		"api_port":       {"api_port", "9001", FromFlag, false},
		"token_provider": {"token_provider", "set", FromEnvironment, true},
		"nats_password":  {"nats_password", "set", FromEnvironment, true},
		"nats_user":      {"nats_user", "u", FromFile, false},
		"max_body":       {"max_body", "2MiB", FromFile, false},
		"auth_url":       {"auth_url", "set", FromFile, true},
		"engine":         {"engine", "nats://a,b", FromFile, false},
		"rules":          {"rules", "a.* presence; b", FromFile, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(all) != len(Options()) {
		t.Errorf("%d of %d options", len(all), len(Options()))
	}
}
