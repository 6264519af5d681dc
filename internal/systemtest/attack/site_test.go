package attack

import (
	"maps"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
)

// patience is how long a test waits for an event. Only a test that fails waits so long.
const patience = 30 * time.Second

// The clients use addresses of this machine in 127.0.0.0/8. Attackers use those from 127.64 on.
const (
	operatorAddress = "127.1.0.1"
	proxyAddress    = "127.3.0.1" // in trusted_proxies
)

// goodOrigin is the only origin whose pages may connect.
const goodOrigin = "https://app.example"

type object = whole.Object

// A site is a server as in production, with bystanders.
type site struct {
	*whole.Site
	crowd *bystanders
}

// bounds sets limits for one client that a test can reach.
func bounds(cfg *config.Config) {
	cfg.UnlimitedAddresses = ""
	cfg.AddressRequests = 400
	cfg.UserRequests = 200
	cfg.UserPublishes = 100
	cfg.UserConnections = 50
	cfg.UserChannels = 3000
	cfg.HistoryMemory = 16 << 20
	cfg.HeaderTimeout = time.Second
	cfg.PresenceLinger = 0
}

// newSite starts a server. If open, its API has no key yet, as on the first day.
func newSite(t testing.TB, open bool, change func(*config.Config)) *site {
	t.Helper()
	return &site{Site: whole.New(t, whole.Options{Address: operatorAddress, NoKey: open, Change: func(cfg *config.Config) {
		cfg.AllowOrigin, cfg.TokenCookie = goodOrigin, "session"
		cfg.TrustedProxies, cfg.ProxyProtocol = proxyAddress, true
		cfg.Rules = []config.Rule{
			{Pattern: "open.**", Presence: boreas.PresenceFull, ClientPublish: true},
			{Pattern: "small", MaxSubscribers: 5},
		}
		bounds(cfg)
		if change != nil {
			change(cfg)
		}
	}})}
}

// tokenOf makes a token that allows its user everything.
func (s *site) tokenOf(user string) string {
	s.Helper()
	return s.NewToken(object{"user": user}).Token
}

// claims returns the claims of a valid token, with changes; a change to nil removes a claim.
func claims(changes object) object {
	c := object{"sub": "ann", "boreas": []object{{"channels": []string{"**"}, "allow": []string{"join"}}}}
	maps.Copy(c, changes)
	return issuer.Claims(c)
}

// signed returns a valid token, with changes to its claims.
func (s *site) signed(changes object) string {
	return issuer.HS256(s.Issuer.Secret, object{"alg": "HS256"}, claims(changes))
}
