package server

import (
	"fmt"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/auth"
)

// openAuthority opens the authority for tokens, keys and revocations, including JWT keys and the
// backend.
func (s *Server) openAuthority() error {
	o := auth.Options{DataDir: s.cfg.DataDir, KeepText: s.debug(), Log: s.log}
	if s.cfg.JWTKeys == "" {
		// The rules are not used without keys. They are checked so that a mistake does not stay
		// hidden until keys are set.
		if _, err := auth.ParseDefaultRules(s.cfg.JWTDefaultRules); err != nil {
			return err
		}
	} else {
		jwt, err := auth.NewJWT(auth.JWTOptions{
			Keys:         s.cfg.JWTKeyList(),
			Issuer:       s.cfg.JWTIssuer,
			Audience:     s.cfg.JWTAudience,
			Leeway:       s.cfg.JWTLeeway,
			UserClaim:    s.cfg.JWTUserClaim,
			RulesClaim:   s.cfg.JWTRulesClaim,
			InfoClaim:    s.cfg.JWTInfoClaim,
			DefaultRules: s.cfg.JWTDefaultRules,
			Log:          s.log,
		})
		if err != nil {
			return err
		}
		o.JWT = jwt
	}
	if s.cfg.AuthURL != "" {
		backend, err := auth.NewBackend(auth.BackendOptions{
			URL:     s.cfg.AuthURL,
			Headers: s.cfg.AuthHeaders(),
			Timeout: s.cfg.AuthURLTimeout,
			Exempt:  s.cfg.Unlimited(),
			Log:     s.log,
		})
		if err != nil {
			if o.JWT != nil {
				o.JWT.Close()
			}
			return err
		}
		o.Backend = backend
	}
	authority, err := auth.Open(o)
	if err != nil {
		if o.JWT != nil {
			o.JWT.Close()
		}
		if o.Backend != nil {
			o.Backend.Close()
		}
		return err
	}
	s.authority = authority
	return nil
}

// checkKeys returns an error if other machines can reach the API and it needs no key.
func (s *Server) checkKeys() error {
	if isLoopback(s.APIAddr()) || s.cfg.APIInsecure || s.authority.HasKeys() {
		return nil
	}
	kept := s.authority.Kept()
	directory, and := kept.Dir, ""
	switch {
	case directory == "":
		directory, and = "DIR", ", and start with --data-dir=DIR"
	case kept.New:
		and = " (this directory is new: if you have made keys before, they are in another data_dir)"
	}
	return fmt.Errorf("the API on %v can be reached by other machines and has no key: "+
		"make one with `boreas key new NAME --data-dir=%s`%s; or let only this machine reach it with --api-host=127.0.0.1; "+
		"or use --api-insecure to let everyone publish and make tokens", s.APIAddr(), directory, and)
}

// Ready returns nil while the server accepts new work, and the reason otherwise.
func (s *Server) Ready() error {
	if s.stopping.Load() {
		return boreas.ErrShuttingDown
	}
	if err := s.hub.Ready(); err != nil {
		return err
	}
	return s.authority.Ready()
}
