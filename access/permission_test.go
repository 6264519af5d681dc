package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
)

func permissions(t testing.TB, list ...access.Permission) *access.Permissions {
	t.Helper()
	p, err := access.NewPermissions(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPermissions checks every verb on some channels and compares all decisions.
func TestPermissions(t *testing.T) {
	const join, publish, history = access.VerbJoin, access.VerbPublish, access.VerbHistory
	list := []access.Permission{
		{Pattern: "chat.*", Allow: join | publish},
		{Pattern: "chat.secret", Deny: join},
		{Pattern: "chat.*", Allow: join}, // too late: rule 1 has decided already
		{Pattern: "user.{user}.**", Allow: access.AllVerbs},
		{Pattern: "**.log", Allow: history, Deny: publish},
	}
	verbs := []access.Verb{join, publish, history, access.VerbPresence}
	ask := func(p *access.Permissions, channels ...string) []string {
		var answers []string
		for _, channel := range channels {
			for _, verb := range verbs {
				if d := p.Decide(verb, channel); d.Allowed || d.By > 0 {
					answers = append(answers, fmt.Sprintf("%v %s: %v, %s", verb, channel, d.Allowed, p.Explain(verb, d)))
				}
			}
		}
		return answers
	}
	for name, c := range map[string]struct {
		p        *access.Permissions
		channels []string
		want     []string
	}{
		"allow, and deny wins wherever it stands": {permissions(t, list...).For("u1"), []string{"chat.1", "chat.secret", "chat.log", "other"}, []string{
			"join chat.1: true, rule 1: allow join, publish on chat.*",
			"publish chat.1: true, rule 1: allow join, publish on chat.*",
			"join chat.secret: false, rule 2: deny join on chat.secret",
			"publish chat.secret: true, rule 1: allow join, publish on chat.*",
			"join chat.log: true, rule 1: allow join, publish on chat.*",
			"publish chat.log: false, rule 5: allow history, deny publish on **.log",
			"history chat.log: true, rule 5: allow history, deny publish on **.log",
		}},
		"the user": {permissions(t, list...).For("u1"), []string{"user.u1.a", "user.u2.a", "user.{user}.a"}, []string{
			"join user.u1.a: true, rule 4: allow join, publish, history, presence on user.{user}.**",
			"publish user.u1.a: true, rule 4: allow join, publish, history, presence on user.{user}.**",
			"history user.u1.a: true, rule 4: allow join, publish, history, presence on user.{user}.**",
			"presence user.u1.a: true, rule 4: allow join, publish, history, presence on user.{user}.**",
		}},
		"nobody named yet":    {permissions(t, list...), []string{"user.u1.a", "user..a", "user.{user}.a"}, nil},
		"no name":             {permissions(t, list...).For(""), []string{"user..a", "user.a"}, nil},
		"a control character": {permissions(t, list...).For("\x00"), []string{"user.*.a", "user.x.a"}, nil},
		"empty permissions":   {permissions(t), []string{"chat.1"}, nil},
	} {
		if diff := cmp.Diff(c.want, ask(c.p, c.channels...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if d := (*access.Permissions)(nil).Decide(publish, "any"); !d.Allowed {
		t.Error("nil permissions do not allow everything")
	}
	if diff := cmp.Diff(list, permissions(t, list...).For("u1").List()); diff != "" {
		t.Errorf("List differs from the permissions given (-want +got):\n%s", diff)
	}
}

// TestStarsOfAUserNameMatchThemselves uses user names that look like patterns.
func TestStarsOfAUserNameMatchThemselves(t *testing.T) {
	for _, pattern := range []string{"{user}", "user.{user}", "user.{user}.*", "*.{user}", "**{user}**", "{user}.{user}", "a.{user}.*.b.**"} {
		p := permissions(t, access.Permission{Pattern: pattern, Allow: access.VerbJoin})
		for _, user := range []string{"*", "**", "a*", "*a", "***", "a.**", "{user}", "{", "ä*"} {
			own := strings.NewReplacer("**", "x.y", "*", "x").Replace(strings.ReplaceAll(pattern, "{user}", "\x00"))
			own = strings.ReplaceAll(own, "\x00", user)
			bound := p.For(user)
			if !bound.Decide(access.VerbJoin, own).Allowed {
				t.Errorf("%q of the user %q does not match %q", pattern, user, own)
			}
			foreign := strings.ReplaceAll(strings.NewReplacer("**", "x.y", "*", "x").Replace(strings.ReplaceAll(pattern, "{user}", "\x00")), "\x00", "victim")
			if bound.Decide(access.VerbJoin, foreign).Allowed {
				t.Errorf("%q of the user %q matches %q", pattern, user, foreign)
			}
		}
	}
}

func TestPermissionErrors(t *testing.T) {
	many := make([]access.Permission, access.MaxPermissions+1)
	for name, c := range map[string]struct {
		list []access.Permission
		want string
	}{
		"nothing":   {[]access.Permission{{Pattern: "a"}}, `rule 1, for "a", neither allows nor denies anything`},
		"both":      {[]access.Permission{{Pattern: "a", Allow: 3, Deny: 1}}, `rule 1, for "a", both allows and denies join`},
		"a pattern": {[]access.Permission{{Pattern: "ok", Allow: 1}, {Pattern: "a***", Allow: 1}}, `rule 2: pattern "a***": three stars in a row at byte 1: * matches anything except a dot, ** matches anything`},
		"a word":    {[]access.Permission{{Pattern: "u.{usr}", Deny: 1}}, `rule 1: pattern "u.{usr}": there is no placeholder {usr}: the only one is {user}`},
		"too many":  {many, "there are 101 rules, more than 100"},
	} {
		if _, err := access.NewPermissions(c.list); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if _, err := access.ParseVerb("joins"); err == nil || err.Error() != `there is no verb "joins": the verbs are join, publish, history, presence` {
		t.Error(err)
	}
	for i, name := range []string{"join", "publish", "history", "presence"} {
		if v, err := access.ParseVerb(name); err != nil || v != 1<<i || v.String() != name {
			t.Errorf("ParseVerb(%q) = %v, %v", name, v, err)
		}
	}
}

// FuzzPermissions compares the matcher with a reference. For a pattern without {user} the reference
// is Pattern. Otherwise it is the pattern with the user's name in place of {user} and another
// character in place of each star of the name.
func FuzzPermissions(f *testing.F) {
	f.Add("chat.*", "u", "chat.1", "chat.1")
	f.Add("user.{user}.**", "a*", "user.a*.x", "user.ab.x")
	f.Add("{user}*{user}", "*", "*x*", "xxx")
	f.Fuzz(func(t *testing.T, pattern, user, channel, denied string) {
		p, err := access.NewPermissions([]access.Permission{
			{Pattern: pattern, Allow: access.VerbJoin},
			{Pattern: "**", Allow: access.VerbHistory},
			{Pattern: pattern, Deny: access.VerbHistory},
		})
		if err != nil || access.ValidChannel(channel) != nil {
			return
		}
		bound := p.For(user)
		got := bound.Decide(access.VerbJoin, channel).Allowed
		if bound.Decide(access.VerbHistory, channel).Allowed == got {
			t.Errorf("%q both matches and does not match %q", pattern, channel)
		}
		if bound.Decide(access.VerbPublish, channel).Allowed {
			t.Error("a verb that no permission allows is allowed")
		}
		// A star of the user's name must match only a star. In both the name and the channel,
		// replace it with a character that neither contains.
		const other = "\U0010FFFD"
		if strings.Contains(pattern+user+channel, other) || access.ValidUser(user) != nil {
			if strings.Contains(pattern, "{user}") && access.ValidUser(user) != nil && got {
				t.Errorf("%q matches for the user %q", pattern, user)
			}
			return
		}
		plain := strings.ReplaceAll(pattern, "{user}", strings.ReplaceAll(user, "*", other))
		reference, err := access.ParsePattern(plain)
		if err != nil {
			return // the pattern is too long
		}
		if !strings.Contains(user, "*") && reference.Match(channel) != got {
			t.Errorf("%q of %q matches %q: %v", pattern, user, channel, got)
		}
		if reference.Match(strings.ReplaceAll(channel, "*", other)) && !got {
			t.Errorf("%q of %q does not match %q", pattern, user, channel)
		}
	})
}

// BenchmarkPermissions measures one check of a token with n rules.
func BenchmarkPermissions(b *testing.B) {
	for _, n := range []int{1, 5, 20, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := []access.Permission{{Pattern: "admin.**", Deny: access.AllVerbs}}
			for i := range n - 1 {
				list = append(list, access.Permission{Pattern: fmt.Sprintf("room%d.*.{user}.**", i), Allow: access.AllVerbs})
			}
			p := permissions(b, list...).For("u1")
			channel := fmt.Sprintf("room%d.x.u1.y.z", n-2)
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(access.VerbJoin, channel)
			}
			b.ReportMetric(1e9/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "checks/s")
		})
	}
}
