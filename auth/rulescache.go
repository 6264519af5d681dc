package auth

import "github.com/boreas-pubsub/boreas/v2/access"

const (
	// maxCachedRules is the number of different rules that are remembered.
	maxCachedRules = 1000

	// maxCachedText is the length of the rules that are remembered, in bytes. Longer rules are
	// parsed each time.
	maxCachedText = 8 << 10
)

// A rulesCache remembers parsed rules by their text. Most tokens of one backend have the same few
// rules, and so share one compiled form.
type rulesCache struct{ parsed cache[*access.Permissions] }

func newRulesCache() *rulesCache {
	return &rulesCache{cache[*access.Permissions]{max: maxCachedRules}}
}

// parse is [ParseRules] with a cache. It does not remember errors.
func (c *rulesCache) parse(text []byte) (*access.Permissions, error) {
	if p, ok := c.parsed.get(text); ok {
		return p, nil
	}
	p, err := ParseRules(text)
	if err != nil || len(text) > maxCachedText {
		return p, err
	}
	return c.parsed.getOrPut(text, p), nil
}
