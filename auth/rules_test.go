package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

func TestParseRules(t *testing.T) {
	p, err := auth.ParseRules([]byte(` [ {"channels":["chat.*","news"],"allow":["join","publish"]},
		{"allow":["history"],"channels":["user.{user}.**"],"deny":["presence"]}, {"channels":["*"],"deny":[],"allow":["join"]} ] `))
	if err != nil {
		t.Fatal(err)
	}
	want := []access.Permission{
		{Pattern: "chat.*", Allow: access.VerbJoin | access.VerbPublish, Rule: 1},
		{Pattern: "news", Allow: access.VerbJoin | access.VerbPublish, Rule: 1},
		{Pattern: "user.{user}.**", Allow: access.VerbHistory, Deny: access.VerbPresence, Rule: 2},
		{Pattern: "*", Allow: access.VerbJoin, Rule: 3},
	}
	if diff := cmp.Diff(want, p.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text := `[{"channels":["chat.*","news"],"allow":["join","publish"]},{"channels":["user.{user}.**"],"allow":["history"],"deny":["presence"]},{"channels":["*"],"allow":["join"]}]`
	if diff := cmp.Diff(text, string(auth.AppendRules(nil, p))); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

// TestRuleNumbersCountRules: a refusal names the rule by its number among the rules. The number does
// not depend on the patterns of the rules before it, and stays the same after a restart.
func TestRuleNumbersCountRules(t *testing.T) {
	const text = `[{"channels":["a","b","c"],"allow":["join"]},{"channels":["d"],"allow":["join"]},{"channels":["secret"],"deny":["join"]}]`
	p, err := auth.ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	stored := string(auth.AppendRules(nil, p))
	if stored != text {
		t.Errorf("stored as %s", stored)
	}
	again, err := auth.ParseRules([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*access.Permissions{p, again} {
		if got, want := p.Explain(access.VerbJoin, p.Decide(access.VerbJoin, "secret")), "rule 3: deny join on secret"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	_, err = auth.ParseRules([]byte(`[{"channels":["a","b"],"allow":["join"]},{"channels":["ok","a***"],"allow":["join"]}]`))
	if err == nil || !strings.HasPrefix(err.Error(), `rule 2: pattern "a***"`) {
		t.Errorf("got %v", err)
	}
}

// TestParseNoRules: null allows everything, and an empty list nothing.
func TestParseNoRules(t *testing.T) {
	if p, err := auth.ParseRules([]byte("[]")); err != nil || p == nil || p.Decide(access.VerbJoin, "chat").Allowed {
		t.Errorf("an empty list: got %v, %v, want rules that allow nothing", p, err)
	}
	if p, err := auth.ParseRules([]byte(" null ")); err != nil || p != nil {
		t.Errorf("null: got %v, %v, want no rules", p, err)
	}
	empty, _ := access.NewPermissions(nil)
	if got := string(auth.AppendRules(nil, empty)) + string(auth.AppendRules(nil, nil)); got != "[]null" {
		t.Errorf("written: got %s, want []null", got)
	}
}

func TestParseRulesErrors(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`"a",`, 60), ",")
	for _, c := range []struct{ text, want string }{
		{``, `the JSON of the rules ends too early`},
		{`{}`, `the rules are not a JSON list`},
		{`"[]"`, `the rules are not a JSON list`},
		{`[`, `rule 1: the JSON of the rules ends too early`},
		{`[] []`, `there is more text after the rules`},
		{`null,`, `there is more text after the rules`},
		{`[1]`, `rule 1: it is not an object: want {"channels":[…],"allow":[…]}`},
		{`[null]`, `rule 1: it is not an object: want {"channels":[…],"allow":[…]}`},
		{`[{"channels":["a"],"allow":["join"]},{"channels":["a"],"allow":["join"],"Deny":["join"]}]`, `rule 2: there is no member "Deny": the members are channels, allow, deny`},
		{`[{"channels":["a"],"allow":["join"],"user":"u"}]`, `rule 1: there is no member "user": the members are channels, allow, deny`},
		{`[{"channels":["a"],"allow":["join"],"channels":["b"]}]`, `rule 1: a member occurs twice`},
		{`[{"channels":"a","allow":["join"]}]`, `rule 1: channels is not a list of strings`},
		{`[{"channels":[1],"allow":["join"]}]`, `rule 1: channels is not a list of strings`},
		{`[{"channels":["a"],"allow":null}]`, `rule 1: allow is not a list of strings`},
		{`[{"channels":[],"allow":["join"]}]`, `rule 1: it names no channels: "channels" is a list of patterns`},
		{`[{"allow":["join"]}]`, `rule 1: it names no channels: "channels" is a list of patterns`},
		{`[{"channels":["a"]}]`, `rule 1, for "a", neither allows nor denies anything`},
		{`[{"channels":["a"],"allow":["join"],"deny":["join"]}]`, `rule 1, for "a", both allows and denies join`},
		{`[{"channels":["a"],"allow":["Join"]}]`, `rule 1: allow: there is no verb "Join": the verbs are join, publish, history, presence`},
		{`[{"channels":["a"],"deny":["*"]}]`, `rule 1: deny: there is no verb "*": the verbs are join, publish, history, presence`},
		{`[{"channels":["a"],"allow":["join"]},{"channels":["a","***"],"allow":["join"]}]`, `rule 2: pattern "***": three stars in a row at byte 0: * matches anything except a dot, ** matches anything`},
		{`[{"channels":["a.{usr}"],"deny":["join"]}]`, `rule 1: pattern "a.{usr}": there is no placeholder {usr}: the only one is {user}`},
		{`[{"channels":[""],"allow":["join"]}]`, `rule 1: the pattern is empty: ** matches every channel`},
		{"[{\"channels\":[\"a\xff\"],\"allow\":[\"join\"]}]", `rule 1: not valid JSON at byte 16 of the rules`},
		{`[{"channels":["a"],"allow":["join"]},]`, `rule 2: not valid JSON at byte 36 of the rules`},
		{`[{"channels":[` + many + `],"allow":["join"]},{"channels":[` + many + `],"allow":["join"]}]`, `rule 2: all rules together have more than 100 channels`},
		{`[{"channels":[` + many + `,` + many + `],"allow":["join"]}]`, `rule 1: channels has more than 100 strings`},
	} {
		p, err := auth.ParseRules([]byte(c.text))
		if p != nil || err == nil {
			t.Errorf("%.80s: got %v, %v, want an error", c.text, p, err)
			continue
		}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Errorf("%.80s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestParseRulesHasRoom(t *testing.T) {
	var b strings.Builder
	for i := range access.MaxPermissions {
		fmt.Fprintf(&b, `,{"channels":["c%d"],"allow":["join"]}`, i)
	}
	p, err := auth.ParseRules([]byte("[" + b.String()[1:] + "]"))
	if err != nil || len(p.List()) != access.MaxPermissions {
		t.Errorf("got %d permissions, %v, want %d", len(p.List()), err, access.MaxPermissions)
	}
}

func FuzzParseRules(f *testing.F) {
	f.Add(`[{"channels":["chat.*","{user}"],"allow":["join","history"],"deny":["publish"]}]`)
	f.Add(`[{"channels":["\u0061\n"],"allow":["join"]},{"channels":["a"],"deny":["presence"]}]`)
	f.Add(`[]`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := auth.ParseRules([]byte(text))
		if err != nil {
			if p != nil {
				t.Fatalf("%q: rules beside the error %v", text, err)
			}
			return
		}
		written := auth.AppendRules(nil, p)
		again, err := auth.ParseRules(written)
		if err != nil {
			t.Fatalf("%q: written as %s, which cannot be read: %v", text, written, err)
		}
		if (p == nil) != (again == nil) {
			t.Fatalf("%q: nil and %v", text, again)
		}
		if diff := cmp.Diff(p.List(), again.List()); diff != "" {
			t.Fatalf("%q: written as %s (-read +read again):\n%s", text, written, diff)
		}
	})
}
