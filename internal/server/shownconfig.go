package server

import (
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// shownConfig returns the configuration for the API, without secrets.
func shownConfig(cfg config.Config) []api.ConfigOption {
	var all []api.ConfigOption
	for _, o := range cfg.Shown() {
		all = append(all, api.ConfigOption{Name: o.Name, Value: o.Value, From: string(o.Source), Secret: o.Secret})
	}
	return all
}
