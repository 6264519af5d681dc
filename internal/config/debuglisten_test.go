package config

import "testing"

func TestDebugListenIsOfThisMachine(t *testing.T) {
	for address, want := range map[string]string{
		"":                "",
		"127.0.0.1:6060":  "",
		"127.9.9.9:0":     "",
		"[::1]:6060":      "",
		"localhost:6060":  `the host is "localhost", and it must be a loopback address such as 127.0.0.1, because profiles need no key`,
		":6060":           `the host is "", and it must be a loopback address such as 127.0.0.1, because profiles need no key`,
		"0.0.0.0:6060":    `the host is "0.0.0.0", and it must be a loopback address such as 127.0.0.1, because profiles need no key`,
		"10.0.0.5:6060":   `the host is "10.0.0.5", and it must be a loopback address such as 127.0.0.1, because profiles need no key`,
		"6060":            "it needs a host and a port",
		"127.0.0.1:http":  `the port is "http", and it must be a number from 0 to 65535`,
		"127.0.0.1:70000": `the port is "70000", and it must be a number from 0 to 65535`,
	} {
		got := ""
		if err := checkDebugListen(address); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
