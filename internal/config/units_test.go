package config

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"65536": 65536, "64KiB": 65536, "64 kib": 65536, "1MiB": 1 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
		"500kB": 500_000, "1MB": 1_000_000, "3GB": 3_000_000_000, "10B": 10, "1_024": 1024,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 1: "1", 1000: "1000", 1024: "1KiB", 1536: "1536", 3 << 20: "3MiB", 1 << 40: "1TiB"} {
		if got := formatSize(n); got != want {
			t.Errorf("formatSize(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Second, "2.5": 2500 * time.Millisecond, "1m30s": 90 * time.Second, "1d": 24 * time.Hour, "0": 0,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 5 * time.Minute: "5m", 2 * time.Hour: "2h", 90 * time.Minute: "1h30m",
		90 * time.Second: "1m30s", 48 * time.Hour: "2d", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for given, want := range map[string]string{
		"no_tokens":                       "no_tokens",
		"file:/etc/tokens":                "file:/etc/tokens",
		"http://h/tokens":                 "http://h/tokens",
		"https://u:p@h/tokens?key=k#frag": "https://REDACTED@h/tokens?REDACTED#REDACTED",
		"http://u:p w@h":                  "http://REDACTED",
		"HTTP://u:p/w@h":                  "HTTP://REDACTED",
		"exec:curl http://u:p@h/t":        "exec:curl http://REDACTED@h/t",
	} {
		if got := Redact(given); got != want {
			t.Errorf("Redact(%q) = %q, want %q", given, got, want)
		}
	}
}
