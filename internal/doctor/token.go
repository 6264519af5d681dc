package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// token checks whether the server accepts a token, and what the token allows.
func (v *visit) token(ctx context.Context, report reporter) {
	switch {
	case v.o.Token == "":
		report(Skipped, "no token was given", "")
		return
	case v.health == nil || !v.allowed:
		report(Skipped, "the API cannot be reached, or does not accept the key", "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	i, err := v.client.InspectToken(ctx, v.o.Token)
	if err != nil {
		_, message := refused(err)
		report(Warning, "not checked: "+message, "Give a key with the verb tokens.")
		return
	}
	if !i.Valid {
		message := "it is not valid"
		if i.Error != nil {
			message = i.Error.Message
		}
		report(Failed, message, "Get another token: `boreas token new`, or from your backend.")
		return
	}
	words := []string{"valid: " + i.Kind + " " + i.ID}
	if i.User != "" {
		words = append(words, "user "+i.User)
	}
	if i.Expires.IsZero() {
		words = append(words, "without an expiry")
	} else {
		words = append(words, "until "+i.Expires.UTC().Format(time.RFC3339))
	}
	switch {
	case i.Rules == nil:
		words = append(words, "it allows everything")
	case len(i.Rules) == 0:
		report(Warning, strings.Join(append(words, "it has no rules and allows nothing"), ", "), "Give it rules: docs/errors.md#not_permitted.")
		return
	case len(i.Rules) == 1:
		words = append(words, "1 rule")
	default:
		words = append(words, fmt.Sprintf("%d rules", len(i.Rules)))
	}
	report(OK, strings.Join(words, ", "), "")
}
