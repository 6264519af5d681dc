package config

import (
	"strings"
	"testing"
)

var confSeeds = []string{
	"api_port = 8001\n", "debug = True # x\r\n", "a='\\x41\\u00e9\\101\\q'", `x = r"\"" `, "x = '''a''b'''", "y = -0x1_0;", "z=None", "\ufeffdebug=False",
	"x = '", "x = \\", "x = '\\", "= 3", "x = 1e5 2", "x = '\\U00110000'", "x = u", "x =\t.5",
}

// FuzzConf checks that parseConf never panics, returns at most one entry or error per line, and
// returns the right position of each entry.
func FuzzConf(f *testing.F) {
	for _, seed := range confSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		src := newSource("boreas.conf", text)
		entries, errs := parseConf(src)
		if len(entries)+len(errs) > len(src.lines) {
			t.Errorf("%d entries and %d errors in %d lines", len(entries), len(errs), len(src.lines))
		}
		for _, e := range entries {
			if got := src.lines[e.nameAt.line-1][e.nameAt.from:e.nameAt.to]; got != e.name {
				t.Errorf("got %q at the position of the name %q", got, e.name)
			}
			if e.value.text != "" && e.valueAt.from >= e.valueAt.to {
				t.Errorf("the value %q has no position", e.value.text)
			}
		}
		readTwice(t, "boreas.conf", text)
	})
}

func FuzzTOML(f *testing.F) {
	for _, seed := range append(confSeeds, "a.b=1", "[t]\nx=1", "x=[1,{y=2}]", "x=\"\"\"a\nb\"\"\"", "\"api_port\"=1", "x=1979-05-27", "x=inf", "x=0b1\n") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { readTwice(t, "boreas.toml", text) })
}

// readTwice reads a file's text as Load does. If there are no errors, it prints the options, reads
// them again, and compares.
func readTwice(t *testing.T, name, text string) {
	read := func(name, text string) (Config, []*Error) {
		l := newLoader()
		l.read(name, text)
		return l.config, l.errs
	}
	c, errs := read(name, text)
	if len(errs) > 0 {
		for _, err := range errs {
			if err.Where == "" || err.Message == "" || strings.Contains(err.Message, "%!") {
				t.Errorf("%#v", err)
			}
		}
		return
	}
	for _, o := range Options() {
		if o.shown(c) != o.format(c) {
			return // a secret, which is not printed
		}
	}
	var printed strings.Builder
	if err := c.PrintTOML(&printed); err != nil {
		t.Fatal(err)
	}
	again, errs := read("boreas.toml", printed.String())
	if len(errs) > 0 {
		t.Fatalf("%v\n%s", errs[0], printed.String())
	}
	for _, o := range Options() {
		if o.format(again) != o.format(c) {
			t.Errorf("%s: %q, printed and read again %q", o.Name, o.format(c), o.format(again))
		}
	}
}
