package repotest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// noOptions are the other names with the form of an option's that errors may have, each with its meaning.
var noOptions = map[string]string{
	"client_publish":      "a word of a rule",
	"max_subscribers":     "a word of a rule",
	"retry_after_ms":      "a member of an error",
	"frame_bytes":         "a limit in hello",
	"boreas_engine_calls": "a metric",
}

var (
	// quotedName is a name in backticks with the form of an option's.
	quotedName = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`")

	// optionPhrase is the name after the word option, which an option must have.
	optionPhrase = regexp.MustCompile("\\boptions? `([a-z_]+)`")

	// nameInBrackets is a name at the end of a sentence of the server, such as (max_message).
	nameInBrackets = regexp.MustCompile(`"[^"\n]*\(([a-z]+(?:_[a-z]+)+)\)[^"\n]*"`)
)

// TestErrorsNameOptionsThatExist: people look for an option that an error names.
func TestErrorsNameOptionsThatExist(t *testing.T) {
	exists := func(name string) bool {
		return slices.ContainsFunc(config.Options(), func(o config.Option) bool { return o.Name == name })
	}
	used := make(map[string]bool)
	check := func(where, name string, must bool) {
		t.Helper()
		_, other := noOptions[name]
		used[name] = true
		if !exists(name) && (must || !other) {
			t.Errorf("%s names the option %s, which does not exist; if it is something else, name it in noOptions", where, name)
		}
	}
	for _, f := range fault.All() {
		for _, text := range []string{f.Summary, f.Do} {
			for _, found := range quotedName.FindAllStringSubmatch(text, -1) {
				check("the error "+f.Code, found[1], false)
			}
			for _, found := range optionPhrase.FindAllStringSubmatch(text, -1) {
				check("the error "+f.Code, found[1], true)
			}
		}
	}
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text := read(t, file)
		for _, found := range optionPhrase.FindAllStringSubmatch(text, -1) {
			check(file, found[1], true)
		}
		for _, found := range nameInBrackets.FindAllStringSubmatch(text, -1) {
			check(file, found[1], false)
		}
	}
	for name, meaning := range noOptions {
		if !used[name] {
			t.Errorf("noOptions has %s, %s, but no error names it", name, meaning)
		}
	}
}
