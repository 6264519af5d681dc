package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
)

// openAuthority opens the authority for tokens, keys and revocations, including JWT keys and the
// backend.
func (s *Server) openAuthority(ctx context.Context) error {
	o := auth.Options{DataDir: s.cfg.DataDir, KeepText: s.debug(), Log: s.log}
	var err error
	if o.AdminKey, err = readSecret("admin_key", s.cfg.AdminKey); err != nil {
		return err
	}
	if o.AdminKey != "" {
		if err := auth.CheckAdminKey(o.AdminKey); err != nil {
			return fmt.Errorf("admin_key: %w", err)
		}
	}
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
		o.JWT, s.jwt = jwt, jwt
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
	authority, err := s.openWithStore(ctx, o)
	if err != nil {
		if o.JWT != nil {
			o.JWT.Close()
		}
		if o.Backend != nil {
			o.Backend.Close()
		}
		if isUnwritable(err) {
			return explainUnwritable(err, s.cfg.DataDir)
		}
		return err
	}
	s.authority = authority
	return nil
}

// openWithStore opens the authority. The nodes of a cluster share a store, and nothing is in the data
// directory then.
func (s *Server) openWithStore(ctx context.Context, o auth.Options) (*auth.Authority, error) {
	if s.cluster == nil {
		return auth.Open(o)
	}
	for {
		authority, err := s.openShared(ctx, o)
		if !errors.Is(err, clusterstore.ErrGaveUp) || ctx.Err() != nil {
			return authority, err
		}
		// The servers elect a leader, or a majority of them is not there yet. So this node waits, as it does
		// for the messages.
		s.log.Warn("waiting for the store of tokens, keys and revocations: see whether a majority of the NATS servers runs", "error", err)
	}
}

// openShared makes one attempt to open the authority with the store of all nodes.
func (s *Server) openShared(ctx context.Context, o auth.Options) (*auth.Authority, error) {
	store, err := s.cluster.openStore(ctx, s.cfg, s.log)
	if err != nil {
		return nil, err
	}
	o.DataDir, o.Store = "", store
	authority, err := auth.Open(o)
	if err != nil {
		store.Close() // the first error says more
	}
	return authority, err
}

// checkKeys returns an error if other machines can reach the API and it needs no key.
func (s *Server) checkKeys() error {
	if isLoopback(s.APIAddr()) || s.cfg.APIInsecure || s.authority.HasKeys() {
		return nil
	}
	kept := s.authority.Kept()
	directory, and := kept.Dir, ""
	switch {
	case s.cluster != nil:
		return fmt.Errorf("the API on %v can be reached by other machines and has no key: give all nodes one with --admin-key=file:PATH; or start a node once with --api-host=127.0.0.1 and make one there with `boreas key new NAME`; "+
			"all nodes know it then; or use --api-insecure to let everyone publish and make tokens", s.APIAddr())
	case directory == "":
		directory, and = "DIR", ", and start with --data-dir=DIR"
	case kept.New:
		and = " (this directory is new: if you have made keys before, they are in another data_dir)"
	}
	return fmt.Errorf("the API on %v can be reached by other machines and has no key: "+
		"make one with `boreas key new NAME --data-dir=%s`%s; or give one with --admin-key=file:PATH; or let only this machine reach it with --api-host=127.0.0.1; "+
		"or use --api-insecure to let everyone publish and make tokens", s.APIAddr(), directory, and)
}

// Ready returns nil while the server accepts new work, and the reason otherwise.
func (s *Server) Ready() error {
	if s.stopping.Load() {
		return boreas.ErrShuttingDown
	}
	err, inside := s.hub.Ready(), s.cluster.ready()
	switch {
	case err != nil && inside != nil:
		return fmt.Errorf("%w; %s", err, s.cluster.inside.Status().Reason) // it names the nodes
	case err != nil || inside != nil:
		return cmp.Or(err, inside)
	}
	return s.authority.Ready()
}
