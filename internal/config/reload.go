package config

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Reloads reports whether a running server can change the option's value.
func (o Option) Reloads() bool {
	switch o.Name {
	case "log_level", "allow_origin",
		"address_accepts", "address_requests", "address_bytes", "address_failures",
		"user_requests", "user_publishes", "user_bytes", "key_requests", "key_publishes", "key_bytes":
		return true
	}
	return o.shapesStore()
}

// shapesStore reports whether a running server can change the option's value unless the engine on disk
// or the cluster would have to keep other things.
func (o Option) shapesStore() bool {
	switch o.Name {
	case "rules", "history_messages", "history_bytes", "history_age":
		return true
	}
	return false
}

// A Change is an option whose value in a new configuration differs from the one in force.
type Change struct {
	Name     string
	Old, New string // without secrets
	Restart  bool   // the option keeps its old value until the server starts again
}

// notShown is the value in a Change of an option of which only the secret part has changed.
const notShown = "(not shown)"

// Reload returns the configuration that is in force after a running server with configuration c has
// reloaded next, and what has changed. Options that need a restart keep the values of c. The error, if
// any, joins one [Error] for each conflict between new values and those that stay.
func (c Config) Reload(next Config) (Config, []Change, error) {
	merged := c
	merged.origins = maps.Clone(c.origins)
	if merged.origins == nil {
		merged.origins = make(map[string]string)
	}
	for _, o := range Options() {
		if o.Reloads() {
			merged.take(o, next)
		}
	}
	stored := c.Engine != next.Engine || c.Engine == EngineDisk && storesDiffer(c, merged) || c.Clustered() && streamDiffers(c, merged)
	var changes []Change
	for _, o := range Options() {
		if o.Name == "config" || o.format(c) == o.format(next) {
			continue
		}
		restart := !o.Reloads()
		if stored && o.shapesStore() {
			merged.take(o, c)
			restart = true
		}
		change := Change{Name: o.Name, Old: o.shown(c), New: o.shown(next), Restart: restart}
		if change.Old == change.New {
			change.Old, change.New = notShown, notShown
		}
		changes = append(changes, change)
	}
	l := newLoader()
	l.config = merged
	l.checkTogether()
	errs := make([]error, len(l.errs))
	for i, err := range l.errs {
		errs[i] = err
	}
	return merged, changes, errors.Join(errs...)
}

// take copies the value of an option and its origin.
func (c *Config) take(o Option, from Config) {
	switch to := o.field(c).(type) {
	case *bool:
		*to = *o.field(&from).(*bool)
	case *int:
		*to = *o.field(&from).(*int)
	case *int64:
		*to = *o.field(&from).(*int64)
	case *time.Duration:
		*to = *o.field(&from).(*time.Duration)
	case *string:
		*to = *o.field(&from).(*string)
	case *[]Rule:
		*to = *o.field(&from).(*[]Rule)
	}
	delete(c.origins, o.Name)
	if origin, ok := from.origins[o.Name]; ok {
		c.origins[o.Name] = origin
	}
}

// storesDiffer reports whether the engine on disk would keep other channels in memory, or messages for
// longer than it was opened for. It can do neither while it runs.
func storesDiffer(old, next Config) bool {
	if next.LongestAge() > old.LongestAge() {
		return true
	}
	was, now := old.stores(), next.stores()
	if slices.Equal(was, now) {
		return false
	}
	onDisk := was[0].onDisk
	return slices.ContainsFunc(append(was, now...), func(s stored) bool { return s.onDisk != onDisk })
}

// streamDiffers reports whether a channel would keep more than the stream of the cluster was made for.
// Only `boreas cluster apply` changes the stream.
func streamDiffers(old, next Config) bool {
	return next.LongestAge() > old.LongestAge() || next.MostMessages() > old.MostMessages()
}

// stored says whether the channels that match a pattern are on disk.
type stored struct {
	pattern string
	onDisk  bool
}

func (c Config) stores() (all []stored) {
	for _, r := range append(c.Rules[:len(c.Rules):len(c.Rules)], Rule{Pattern: "**"}) {
		messages, durable := c.HistoryMessages, c.Durable
		if r.HistoryMessages != nil {
			messages = *r.HistoryMessages
		}
		if r.Durable != "" {
			durable = r.Durable
		}
		all = append(all, stored{r.Pattern, messages > 0 && durable != DurableMemory})
	}
	return all
}
