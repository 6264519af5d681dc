package server

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// liveRules are the channels' rules for the engine. [Server.Reload] replaces them.
type liveRules struct{ atomic.Pointer[boreas.Rules] }

func newRules(cfg config.Config) *liveRules {
	r := new(liveRules)
	r.Store(cfg.ChannelRules())
	return r
}

// For returns the rule in force for a channel.
func (r *liveRules) For(channel string) *boreas.Rule { return r.Load().For(channel) }

// Reload puts a new configuration into force as far as that is possible while the server runs, and
// logs each option that has changed. It also reads the files of JWT keys and certificates again. After
// an error nothing has changed.
func (s *Server) Reload(next config.Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	merged, changes, err := s.inForce.Load().Reload(next)
	if err != nil {
		return fmt.Errorf("the new values do not fit those that need a restart: %w", err)
	}
	if s.jwt != nil {
		if err := s.jwt.ReadKeys(); err != nil {
			return err
		}
	}
	s.api.tls.reread()
	s.ws.tls.reread()

	rules := merged.ChannelRules()
	s.rules.Store(rules) // first for the engine, because the hub tells it to apply them
	s.hub.SetRules(rules)
	s.origins.set(merged)
	s.limits.SetBounds(boundsOf(merged))
	s.inForce.Store(&merged)
	if s.level != nil {
		defer s.level.Set(levelOf(merged))
		s.level.Set(min(s.level.Level(), levelOf(merged))) // for the lines that say what has changed
	}
	restart := 0
	for _, c := range changes {
		if c.Restart {
			restart++
			s.log.Warn("an option of the new configuration needs a restart; until then the old value stays in force", "option", c.Name, "old", logged(c.Old), "new", logged(c.New))
		} else {
			s.log.Info("an option has changed", "option", c.Name, "old", logged(c.Old), "new", logged(c.New))
		}
	}
	s.log.Info("the configuration has been reloaded, and with it the files of certificates and JWT keys", "config", next.File, "changed", len(changes)-restart, "need_restart", restart)
	return nil
}

// maxLogged is how many bytes of an option's value the log shows. A thousand rules are longer than a
// line of the journal may be.
const maxLogged = 1 << 10

// logged returns the value of an option for the log.
func logged(value string) string {
	if len(value) <= maxLogged {
		return value
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(value[:maxLogged], ""), len(value))
}
