package config

import "time"

// LongestAge returns the longest time for which a channel keeps messages.
func (c Config) LongestAge() time.Duration {
	age := c.HistoryAge
	for _, r := range c.Rules {
		if r.HistoryAge != nil {
			age = max(age, *r.HistoryAge)
		}
	}
	return age
}

// MostMessages returns the largest number of messages that a channel keeps.
func (c Config) MostMessages() int {
	n := c.HistoryMessages
	for _, r := range c.Rules {
		if r.HistoryMessages != nil {
			n = max(n, *r.HistoryMessages)
		}
	}
	return n
}
