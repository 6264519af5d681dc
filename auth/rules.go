package auth

import "github.com/boreas-pubsub/boreas"

// ParseRules reads the rules of a token, a JSON list of objects {"channels":[…],"allow":[…],
// "deny":[…]}. The error says what is wrong, and where.
func ParseRules(text []byte) (*boreas.Permissions, error) { panic("not yet") }

// AppendRules appends rules as ParseRules reads them; nil ones are null.
func AppendRules(dst []byte, p *boreas.Permissions) []byte { panic("not yet") }
