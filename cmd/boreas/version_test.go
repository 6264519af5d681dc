package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionOf(t *testing.T) {
	built := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, test := range []struct {
		given string
		info  *debug.BuildInfo
		want  string
	}{
		{"v2.0.0", built("v1.0.0"), "v2.0.0"},
		{"", built("v1.0.0", revision), "v1.0.0"},
		{"", built("(devel)", revision), "development build of 0123456789ab"},
		{"", built("", revision, changed), "development build of 0123456789ab, changed since"},
		{"", built("(devel)"), "development build"},
		{"", nil, "unknown"},
	} {
		if got := versionOf(test.given, test.info); got != test.want {
			t.Errorf("versionOf(%q, %v) = %q, want %q", test.given, test.info, got, test.want)
		}
	}
}
