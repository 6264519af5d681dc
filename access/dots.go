package access

import (
	"fmt"
	"strings"
)

// DotWarnings returns a warning for each pattern with {user} that, because the user's name has a
// dot, can lead to a channel under another rule. In a channel rule, * matches anything but a dot.
// For example, the rule for orders.* applies to the channel of every user named by the permission
// for orders.{user}, except users such as ann@example.com, whose channel is orders.ann@example.com.
//
// The function rule returns the text of the rule that applies to a channel, or "" if no rule does.
func (p *Permissions) DotWarnings(user string, rule func(channel string) (text string)) []string {
	if p == nil || !strings.Contains(user, ".") {
		return nil
	}
	var warnings []string
	stars := strings.NewReplacer("**", "x", "*", "x")
	for _, e := range p.list {
		if !strings.Contains(e.Pattern, userWord) {
			continue
		}
		channel := func(name string) string { return strings.ReplaceAll(stars.Replace(e.Pattern), userWord, name) }
		dotted, plain := channel(user), channel(strings.ReplaceAll(user, ".", "-"))
		if ValidChannel(dotted) != nil {
			continue
		}
		if meant := rule(plain); meant != rule(dotted) && meant != "" {
			warnings = append(warnings, fmt.Sprintf("The user's name has a dot. The channels' rule %q does not apply to %q, because * matches anything except a dot. Use ** in the rule.", meant, dotted))
		}
	}
	return warnings
}
