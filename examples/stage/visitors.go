package stage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// ErrFull means that the maximum number of visitors is reached.
var ErrFull = errors.New("too many visitors; try again later")

// DefaultMaxTokens is the default of [Visitors].Max.
const DefaultMaxTokens = 1000

// arriving is how long a visitor may take to connect with a new token.
const arriving = time.Minute

// Visitors gives each visitor a token, which identifies the visitor in later requests. Tokens do
// not expire. When there are too many, Visitors deletes the tokens that are not in use.
type Visitors struct {
	Client *client.Client
	Max    int // maximum number of tokens; 0 means DefaultMaxTokens

	mu    sync.Mutex
	given []given // oldest first; guarded by mu
}

type given struct {
	token, name string
	at          time.Time
}

// Token returns a new token for a visitor with this name, or ErrFull.
func (v *Visitors) Token(ctx context.Context, name string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	most := v.Max
	if most == 0 {
		most = DefaultMaxTokens
	}
	if len(v.given) >= most {
		if err := v.cleanUp(ctx); err != nil {
			return "", err
		}
		if len(v.given) >= most {
			return "", ErrFull
		}
	}
	token, err := v.Client.NewToken(ctx)
	if err != nil {
		return "", err
	}
	v.given = append(v.given, given{token, name, time.Now()})
	return token, nil
}

// Name returns the name of the token's visitor.
func (v *Visitors) Name(token string) (name string, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.IndexFunc(v.given, func(g given) bool { return g.token == token })
	if i < 0 {
		return "", false
	}
	return v.given[i].name, true
}

// cleanUp deletes the tokens without a connection.
func (v *Visitors) cleanUp(ctx context.Context) error {
	active, err := v.Client.ActiveTokens(ctx)
	if err != nil {
		return err
	}
	inUse := make(map[string]bool, len(active))
	for _, token := range active {
		inUse[token] = true
	}
	var keep []given
	for i, g := range v.given {
		if inUse[g.token] || time.Since(g.at) < arriving {
			keep = append(keep, g)
			continue
		}
		var refused *client.Error
		if err := v.Client.DeleteToken(ctx, g.token); err != nil && !errors.As(err, &refused) {
			v.given = append(keep, v.given[i:]...)
			return err
		}
	}
	v.given = keep
	return nil
}
