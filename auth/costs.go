package auth

import "github.com/boreas-pubsub/boreas/v2/access"

// costly starts a check that needs more than a look-up, such as a signature's verification. The
// caller calls leave when the check ends.
func costly(c access.Credentials) (leave func(), err error) {
	if c.Costs == nil {
		return func() {}, nil
	}
	return c.Costs(func(run func()) { slowly(c, run) })
}

// slowly runs a function that waits for another machine.
func slowly(c access.Credentials, run func()) {
	if c.Slow != nil {
		c.Slow(run)
		return
	}
	run()
}
