package config

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNetworks(t *testing.T) {
	for list, want := range map[string]string{
		"":                                   "[]",
		" ":                                  "[]",
		"127.0.0.0/8, ::1":                   "[127.0.0.0/8 ::1/128]",
		"192.0.2.7,10.0.0.0/8,2001:db8::/32": "[192.0.2.7/32 10.0.0.0/8 2001:db8::/32]",
		"0.0.0.0/0, ::/0":                    "[0.0.0.0/0 ::/0]",
	} {
		c := Config{TrustedProxies: list, UnlimitedAddresses: list}
		if diff := cmp.Diff([]string{want, want}, []string{fmt.Sprint(c.Trusted()), fmt.Sprint(c.Unlimited())}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", list, diff)
		}
	}
	if got := fmt.Sprint(Default().Unlimited()); got != "[127.0.0.0/8 ::1/128]" {
		t.Errorf("the default is %s", got)
	}
}
