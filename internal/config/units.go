package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var errUnit = errors.New("unknown unit")

// sizeUnits are tried in this order. B is last, because the other units end with B as well.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", kib},
	{"MiB", mib},
	{"GiB", gib},
	{"TiB", tib},
	{"kB", 1000},
	{"MB", 1000_000},
	{"GB", 1000_000_000},
	{"B", 1},
}

// parseSize parses "64KiB", "1 MiB", "500kB" or a number of bytes. Units may be in any case. K, M
// and G alone are not accepted, because each may mean powers of 1000 or of 1024.
func parseSize(s string) (int64, error) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if len(s) > len(u.name) && strings.EqualFold(s[len(s)-len(u.name):], u.name) {
			s, unit = strings.TrimRight(s[:len(s)-len(u.name)], " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return 0, err
	}
	if n > math.MaxInt64/unit || n < 0 {
		return 0, strconv.ErrRange
	}
	return n * unit, nil
}

// formatSize returns the shortest text that parseSize reads as n.
func formatSize(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"TiB", tib}, {"GiB", gib}, {"MiB", mib}, {"KiB", kib}} {
		if n != 0 && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// ParseDuration parses "10s", "1m30s", "1d" or a number of seconds, which may have a fraction. The
// error does not describe the accepted forms.
func ParseDuration(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		if d := seconds * float64(time.Second); math.Abs(d) < math.MaxInt64 {
			return time.Duration(d), nil
		}
		return 0, strconv.ErrRange // infinite, not a number, or too large
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err != nil || n > math.MaxInt64/day || n < math.MinInt64/day {
			return 0, errUnit
		}
		return time.Duration(n * day), nil
	}
	return time.ParseDuration(s)
}

// FormatDuration returns the shortest text that [ParseDuration] reads as d: 5m, not 5m0s.
func FormatDuration(d time.Duration) string {
	if d != 0 && int64(d)%day == 0 {
		return fmt.Sprintf("%dd", int64(d)/day)
	}
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}
