package config

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

func given[T any](v T) *T { return &v }

const rulesText = `
	chat.**  presence client_publish history_messages=50 history_age=1d;

	ticker.* latest history_messages=0 history_bytes=64KiB ; big.** presence=count max_subscribers=100000
	typing.** durable=memory
	quiet
`

var rulesRead = []Rule{
	{Pattern: "chat.**", HistoryMessages: given(50), HistoryAge: given(24 * time.Hour), Presence: boreas.PresenceFull, ClientPublish: true},
	{Pattern: "ticker.*", HistoryMessages: given(0), HistoryBytes: given(int64(64 << 10)), Latest: true},
	{Pattern: "big.**", Presence: boreas.PresenceCount, MaxSubscribers: 100_000},
	{Pattern: "typing.**", Durable: DurableMemory},
	{Pattern: "quiet"},
}

func TestRulesFromAnywhere(t *testing.T) {
	for name, in := range map[string]Input{
		"flag":        {Flags: map[string]string{"rules": rulesText}, Dir: t.TempDir()},
		"environment": {Env: []string{"BOREAS_RULES=" + rulesText}, Dir: t.TempDir()},
		"boreas.toml": {Dir: directory(t, map[string]string{"boreas.toml": "rules = '''" + strings.ReplaceAll(rulesText, "\n", "\r\n") + "'''\r\n"})},
		"boreas.conf": {Dir: directory(t, map[string]string{"boreas.conf": fmt.Sprintf("rules = %q", rulesText)})},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(rulesRead, mustLoad(t, in).Rules); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRulesReplaceRulesOfFile(t *testing.T) {
	in := Input{Flags: map[string]string{"rules": ""}, Dir: directory(t, map[string]string{"boreas.toml": "rules = 'a latest'"})}
	if c := mustLoad(t, in); c.Rules != nil || !c.Given("rules") {
		t.Error(c.Rules)
	}
}

func TestChannelRules(t *testing.T) {
	c := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{
		"rules": rulesText, "history_messages": "7", "history_bytes": "2KiB", "history_age": "3s",
	}})
	rules := c.ChannelRules()
	for channel, want := range map[string]boreas.Rule{
		"chat.1.2": {
			Text:      "chat.** history_messages=50 history_age=1d presence client_publish",
			Retention: engine.Retention{Messages: 50, Bytes: 2 << 10, Age: 24 * time.Hour}, Presence: boreas.PresenceFull, ClientPublish: true,
		},
		"ticker.x":   {Text: "ticker.* history_messages=0 history_bytes=64KiB latest", Retention: engine.Retention{Messages: -1, Bytes: 64 << 10, Age: 3 * time.Second}, Latest: true},
		"big.x":      {Text: "big.** presence=count max_subscribers=100000", Retention: engine.Retention{Messages: 7, Bytes: 2 << 10, Age: 3 * time.Second}, Presence: boreas.PresenceCount, MaxSubscribers: 100_000},
		"quiet":      {Text: "quiet", Retention: engine.Retention{Messages: 7, Bytes: 2 << 10, Age: 3 * time.Second}},
		"typing.x":   {Text: "typing.** durable=memory", Retention: engine.Retention{Messages: 7, Bytes: 2 << 10, Age: 3 * time.Second}, InMemory: true},
		"ticker.x.y": {Retention: engine.Retention{Messages: 7, Bytes: 2 << 10, Age: 3 * time.Second}},
	} {
		if diff := cmp.Diff(want, *rules.For(channel)); diff != "" {
			t.Errorf("%s: %s", channel, diff)
		}
	}
	none := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{"history_messages": "0"}})
	want := boreas.Rule{Retention: engine.Retention{Messages: -1, Bytes: 16 << 20, Age: 5 * time.Minute}}
	if diff := cmp.Diff(want, *none.ChannelRules().For("any")); diff != "" {
		t.Error(diff)
	}
}

func TestBadRules(t *testing.T) {
	const (
		are      = " (the words are history_messages=N, history_bytes=SIZE, history_age=TIME, durable=sync or durable=memory, presence or presence=count, client_publish, latest, max_subscribers=N)"
		messages = "want a whole number from 1 to 100000000 (0 means none)"
	)
	long := "a" + strings.Repeat("b", 90)
	for _, c := range []struct{ rules, want string }{
		{"a; b presense", `rule 2, "b presense": there is no word "presense"; did you mean presence?` + are},
		{"a client-publish", `rule 1, "a client-publish": there is no word "client-publish"; did you mean client_publish?` + are},
		{"a history_mesages=5", `rule 1, "a history_mesages=5": there is no word "history_mesages=5"; did you mean history_messages?` + are},
		{"a history_memory=5", `rule 1, "a history_memory=5": there is no word "history_memory=5"` + are},
		{"a b.*", `rule 1, "a b.*": there is no word "b.*"; a rule begins with its only pattern: put ";" before the next rule` + are},
		{"a latest,presence", `rule 1, "a latest,presence": there is no word "latest,presence"; put spaces between words` + are},
		{"a history_messages=x", `rule 1, "a history_messages=x": history_messages: ` + messages + `, not "x"`},
		{"a history_messages", `rule 1, "a history_messages": history_messages needs a value: ` + messages},
		{"a history_messages=", `rule 1, "a history_messages=": history_messages needs a value: ` + messages},
		{"a history_bytes=5", `rule 1, "a history_bytes=5": history_bytes: want a size from 1KiB to 1TiB, such as 64KiB or 65536, not "5"`},
		{"a history_age=0", `rule 1, "a history_age=0": history_age: want a duration from 1s to 365d, such as 1m30s or 90, not "0"`},
		{"a durable", `rule 1, "a durable": durable needs a value: want one of sync, memory`},
		{"a durable=snyc", `rule 1, "a durable=snyc": durable: want one of sync, memory, not "snyc": did you mean sync?`},
		{"a durable=never", `rule 1, "a durable=never": durable: want one of sync, memory, not "never"`},
		{"a duarble=sync", `rule 1, "a duarble=sync": there is no word "duarble=sync"; did you mean durable?` + are},
		{"a max_subscribers=0", `rule 1, "a max_subscribers=0": max_subscribers: want a whole number from 1 to 10000000, not "0"`},
		{"a presence=full", `rule 1, "a presence=full": want presence or presence=count, not "presence=full"`},
		{"a latest=true", `rule 1, "a latest=true": latest takes no value: omit "=true"`},
		{"a latest latest", `rule 1, "a latest latest": latest is given twice`},
		{"a presence presence=count", `rule 1, "a presence presence=count": presence is given twice`},
		{"a; presence", `rule 2, "presence": it has no pattern: put one before presence, such as ** for all channels`},
		{"history_age=5m latest", `rule 1, "history_age=5m latest": it has no pattern: put one before history_age=5m, such as ** for all channels`},
		{"# chat", `rule 1, "# chat": rules cannot have comments`},
		{"a.*** latest", `rule 1, "a.*** latest": pattern "a.***": three stars in a row at byte 2: * matches anything except a dot, ** matches anything`},
		{"a\xff", `rule 1, "a\xff": pattern "a\xff": it is not valid UTF-8 at byte 1`},
		{"a; b; a latest", `rule 3, "a latest": it is never used: rule 1 has the same pattern, and the first match counts`},
		{"a; **; b", `rule 3, "b": it is never used: rule 2 matches every channel, and the first match counts: put ** last`},
		{long + " x", `rule 1, "` + long[:80] + `…": there is no word "x"` + are},
		{strings.Repeat("a\n", 2000), ""},
	} {
		_, err := parseRules(c.rules)
		if c.want == "" {
			if want := "there are more than 1000 rules"; err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
			continue
		}
		checkError(t, err, c.want)
	}
}

// TestBadRulesInAFile: all errors are reported with their positions.
func TestBadRulesInAFile(t *testing.T) {
	const form = `want rules on separate lines or separated by ";", each a pattern and words, such as "chat.** presence history_age=1h"`
	const words = " (the words are history_messages=N, history_bytes=SIZE, history_age=TIME, durable=sync or durable=memory, presence or presence=count, client_publish, latest, max_subscribers=N)"
	for _, c := range []struct{ name, text, want string }{
		{"boreas.toml", `api_port = 1
rules = '''
chat.** presence
news.* last  latest=1 ; wordy words
'''
`, `boreas.toml:4: rules: rule 2, "news.* last  latest=1": there is no word "last"; did you mean latest?` + words + `
   4 | news.* last  latest=1 ; wordy words
     |        ^^^^
boreas.toml:4: rules: rule 3, "wordy words": there is no word "words"` + words + `
   4 | news.* last  latest=1 ; wordy words
     |                               ^^^^^`},
		{"boreas.toml", `rules = "a latest\nb\u0020lates"
`, `boreas.toml:1: rules: rule 2, "b lates": there is no word "lates"; did you mean latest?` + words + `
   1 | rules = "a latest\nb\u0020lates"
     |         ^^^^^^^^^^^^^^^^^^^^^^^^`},
		{"boreas.toml", `rules = ["a latest"]
`, `boreas.toml:1: rules: ` + form + `, not a list: put it in quotes
   1 | rules = ["a latest"]
     | ^^^^^`},
		{"boreas.conf", `rules = 'a latest; latest latest presence latest'
`, `boreas.conf:1: rules: rule 2, "latest latest presence latest": latest is given twice
   1 | rules = 'a latest; latest latest presence latest'
     |                                           ^^^^^^`},
	} {
		_, err := Load(Input{Dir: directory(t, map[string]string{c.name: c.text})})
		checkError(t, err, c.want)
	}
	_, err := Load(Input{Dir: t.TempDir(), Env: []string{"BOREAS_RULES=a x;b y"}})
	checkError(t, err, `BOREAS_RULES: rule 1, "a x": there is no word "x"`+words+"\n"+`BOREAS_RULES: rule 2, "b y": there is no word "y"`+words)
}

func TestPrintRules(t *testing.T) {
	c := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{"rules": rulesText}})
	var table bytes.Buffer
	if err := c.Print(&table); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(table.String()) {
		if strings.HasPrefix(line, "rules") || strings.HasPrefix(line, " ") {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
	}
	if diff := cmp.Diff([]string{
		"rules chat.** history_messages=50 history_age=1d presence client_publish --rules",
		"ticker.* history_messages=0 history_bytes=64KiB latest --rules",
		"big.** presence=count max_subscribers=100000 --rules",
		"typing.** durable=memory --rules",
		"quiet --rules",
	}, got); diff != "" {
		t.Error(diff)
	}

	var toml strings.Builder
	if err := c.PrintTOML(&toml); err != nil {
		t.Fatal(err)
	}
	const want = `
rules = '''
chat.** history_messages=50 history_age=1d presence client_publish
ticker.* history_messages=0 history_bytes=64KiB latest
big.** presence=count max_subscribers=100000
typing.** durable=memory
quiet
'''
`
	if !strings.Contains(toml.String(), want) {
		t.Error(toml.String())
	}
	read := mustLoad(t, Input{Dir: directory(t, map[string]string{"boreas.toml": toml.String()})})
	if diff := cmp.Diff(rulesRead, read.Rules); diff != "" {
		t.Error(diff)
	}
}

// FuzzRules parses any text. Valid rules are printed and parsed again, and must be the same. An
// error must name a rule that is in the text, and a word that is in the rule.
func FuzzRules(f *testing.F) {
	f.Add(rulesText)
	for _, text := range []string{"a presence=count", "a latest latest", "**;b", "=", "a =", "a\u00a0b", "a history_age=1e2 history_bytes=1_024", "a durable=sync", "''';x", "é\"\\ latest"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parseRules(text)
		if err != nil {
			for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
				e, ok := err.(*ruleError)
				if ok && (!strings.Contains(text, e.text) || !strings.HasPrefix(e.text[e.at:], e.word) || e.message == "") {
					t.Errorf("%#v", e)
				}
			}
			return
		}
		for _, separator := range []string{"; ", "\n"} {
			again, err := parseRules(formatRules(rules, separator))
			if diff := cmp.Diff(rules, again); diff != "" || err != nil {
				t.Errorf("%v: %s", err, diff)
			}
		}
		c := Default()
		c.Rules = rules
		c.ChannelRules()
		readTwice(t, "boreas.toml", "rules = "+Option{Name: "rules", field: func(c *Config) any { return &c.Rules }}.toml(c, formatRules(rules, "; "))+"\n")
	})
}
