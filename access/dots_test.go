package access_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

func TestDotWarnings(t *testing.T) {
	var rules *boreas.Rules
	for _, text := range []string{"orders.*", "chat.**", "**"} {
		pattern, err := access.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		r := boreas.Rule{Text: text + " presence"}
		if text == "**" {
			r.Text = "" // as in the server's options
		}
		rules = rules.Add(pattern, r)
	}
	permit := permissions(t,
		access.Permission{Pattern: "orders.{user}", Allow: access.VerbJoin},
		access.Permission{Pattern: "chat.{user}.*", Allow: access.VerbJoin},
		access.Permission{Pattern: "{user}", Allow: access.VerbJoin},
		access.Permission{Pattern: "orders.all", Allow: access.VerbJoin},
	)
	want := []string{`The user's name has a dot. The channels' rule "orders.* presence" does not apply to "orders.ann@example.com", because * matches anything except a dot. Use ** in the rule.`}
	if diff := cmp.Diff(want, permit.DotWarnings("ann@example.com", rules.Text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, permit.For("ann@example.com").DotWarnings("ann@example.com", rules.Text)); diff != "" {
		t.Errorf("after For (-want +got):\n%s", diff)
	}
	if got := permit.DotWarnings("ann", rules.Text); got != nil {
		t.Errorf("without a dot: %q", got)
	}
	if got := (*access.Permissions)(nil).DotWarnings("a.b", rules.Text); got != nil {
		t.Errorf("without permissions: %q", got)
	}
}
