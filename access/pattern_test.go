package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
)

func mustPattern(t testing.TB, text string) access.Pattern {
	t.Helper()
	p, err := access.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatterns(t *testing.T) {
	long := strings.Repeat("x", 80)
	for _, c := range []struct{ pattern, matches, not string }{
		{"chat", "chat", "chat.1 Chat cha chatt"},
		{"*", "a chat 日本 *", "a.b . .a a."},
		{"**", "a a.b . .a.. 日本", ""},
		{"chat.*", "chat.1 chat.* chat.", "chat chat.1.log chat/1 xchat.1"},
		{"chat.**", "chat.1 chat.1.log chat. chat..", "chat xchat.1"},
		{"chat*", "chat chat1 chats", "chat.1 cha"},
		{"chat**", "chat chat1 chat.1", "cha"},
		{"*.log", "a.log .log", "a.b.log log a.logs"},
		{"**.log", "a.log .log a.b.log a.log.log", "log a.logs a.logx"},
		{"*.*", "a.b . a. .b", "ab a.b.c .."},
		{"a.*.c", "a.b.c a..c", "a.c a.b.b.c a.b.cc"},
		{"a.**.c", "a.b.c a..c a.b.b.c a.c.c", "a.c a.b.cc"},
		{"*a*b*", "ab aab xaybz abab", "ba a.b xa.yb .ab ab."},
		{"**a*b", "ab x.a.axb aab a.b.ab", "a.b ba abc"},
		{"*a**b", "ab a.b xa.x.b", "x.a.b ba abx"},
		{"日*", "日 日本", "本"},
		{"*" + long + "*y", long + "y x" + long + "zy", long + " " + long + ".y"},
		{"**" + long + "*y", long + "y x" + long + "zy a.b" + long + "y", long + " " + long + ".y"},
	} {
		p := mustPattern(t, c.pattern)
		if p.String() != c.pattern {
			t.Errorf("%q: String returns %q", c.pattern, p)
		}
		for _, name := range strings.Fields(c.matches) {
			if !p.Match(name) {
				t.Errorf("%q does not match %q", c.pattern, name)
			}
		}
		for _, name := range strings.Fields(c.not) {
			if p.Match(name) {
				t.Errorf("%q matches %q", c.pattern, name)
			}
		}
	}
	if (access.Pattern{}).Match("") || (access.Pattern{}).Match("a") {
		t.Error("the zero pattern matches a name")
	}
}

func TestPatternErrors(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, c := range []struct{ pattern, want string }{
		{"", `the pattern is empty: ** matches every channel`},
		{long, `pattern "` + long[:40] + `"…: it has 256 bytes, more than 255`},
		{"a\tb", `pattern "a\tb": control character U+0009 at byte 1`},
		{"é\u0085", `pattern "é\u0085": control character U+0085 at byte 2`},
		{"ab\xff", `pattern "ab\xff": it is not valid UTF-8 at byte 2`},
		{"a.***", `pattern "a.***": three stars in a row at byte 2: * matches anything except a dot, ** matches anything`},
		{"****", `pattern "****": three stars in a row at byte 0: * matches anything except a dot, ** matches anything`},
		{"�", ""},
		{long[:255], ""},
		{long[:254] + "*", ""},
		{"*" + long[:254], ""},
	} {
		_, err := access.ParsePattern(c.pattern)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// naiveMatch is a short and slow definition of a match.
func naiveMatch(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case strings.HasPrefix(pattern, "**"):
		return naiveMatch(pattern[2:], name) || name != "" && naiveMatch(pattern, name[1:])
	case pattern[0] == '*':
		return naiveMatch(pattern[1:], name) || name != "" && name[0] != '.' && naiveMatch(pattern, name[1:])
	}
	return name != "" && name[0] == pattern[0] && naiveMatch(pattern[1:], name[1:])
}

func FuzzPattern(f *testing.F) {
	long := strings.Repeat("ab", 60)
	f.Add("chat.*", "chat.1")
	f.Add("**a*b.*", "x.aab.b")
	f.Add("*a**b", "a.b.ab")
	f.Add("*"+long+"**.b", long+"x.b")
	f.Add("***", "\x00")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := access.ParsePattern(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("the error has no text")
			}
			return
		}
		if access.ValidChannel(name) != nil || strings.Count(text, "*") > 8 {
			return // the naive matcher would take too long
		}
		if got, want := p.Match(name), naiveMatch(text, name); got != want {
			t.Errorf("Match(%q, %q) = %v", text, name, got)
		}
	})
}

// TestPatternExhaustively compares all short patterns with all short names.
func TestPatternExhaustively(t *testing.T) {
	var words func(letters string, n int) []string
	words = func(letters string, n int) []string {
		if n == 0 {
			return []string{""}
		}
		all := words(letters, n-1)
		for _, w := range all {
			if len(w) == n-1 {
				for _, c := range letters {
					all = append(all, w+string(c))
				}
			}
		}
		return all
	}
	names := words("a.b", 5)
	for _, text := range words("a.*", 6) {
		// The long prefix makes the states take more than one word.
		for _, prefix := range []string{"", "**" + strings.Repeat("c", 62)} {
			p, err := access.ParsePattern(prefix + text)
			if err != nil {
				continue
			}
			before := strings.TrimPrefix(prefix, "**")
			for _, name := range names {
				if name+before == "" {
					continue
				}
				if got := p.Match(before + name); got != naiveMatch(text, name) {
					t.Fatalf("Match(%q, %q) = %v", prefix+text, before+name, got)
				}
			}
		}
	}
}

// hostile are patterns and names for which a backtracking matcher would practically never end.
var hostile = []struct{ pattern, name string }{
	{strings.Repeat("*a", 127), strings.Repeat("a", 254) + "b"},
	{strings.Repeat("**a", 85), strings.Repeat("a", 254) + "b"},
	{strings.Repeat("**a*a", 50), strings.Repeat("a", 254) + "b"},
	{strings.Repeat("**a.*b", 42), strings.Repeat("a.b", 84) + "c"},
}

func TestPatternMatchIsFast(t *testing.T) {
	for _, c := range hostile {
		p := mustPattern(t, c.pattern)
		if p.Match(c.name) {
			t.Errorf("%q matches %q", c.pattern, c.name)
		}
		if n := testing.AllocsPerRun(10, func() { p.Match(c.name) }); n != 0 {
			t.Errorf("%q: %v allocations", c.pattern, n)
		}
	}
}

func BenchmarkPattern(b *testing.B) {
	for _, c := range []struct{ name, pattern, channel string }{
		{"literal", "news", "news"},
		{"prefix", "chat.**", "chat.room.12345.messages"},
		{"star", "chat.*", "chat.room-12345-messages"},
		{"middle", "chat.*.messages", "chat.room-12345.messages"},
		{"suffix", "**.messages", "chat.room.12345.messages"},
		{"elsewhere", "user.*.messages", "chat.room.12345.messages"},
		{"hostile", hostile[2].pattern, hostile[2].name},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := mustPattern(b, c.pattern)
			b.ReportAllocs()
			for b.Loop() {
				p.Match(c.channel)
			}
		})
	}
}
