package trial

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
)

// ghostPause is the mean time between two ghosts.
const ghostPause = 500 * time.Millisecond

// ghosts join the rooms, each with its own user, and disappear without leaving, until the context
// ends. At the end of the trial no subscriber may see them.
func (t *trial) ghosts(ctx context.Context, r *rand.Rand) error {
	proxy, err := t.world.proxy()
	if err != nil {
		return err
	}
	for pause(ctx, time.Duration(r.Int64N(int64(2*ghostPause)))) {
		if t.ghost(ctx, proxy) == nil {
			t.count("ghost")
		}
	}
	return nil
}

func (t *trial) ghost(ctx context.Context, proxy *faultproxy.Proxy) error {
	ctx, cancel := context.WithTimeout(ctx, t.dialLimit())
	defer cancel()
	token, err := t.world.tokens()(ctx)
	if err != nil {
		return err
	}
	ws, _, err := t.dialV2(ctx, proxy.Addr(), token)
	if err != nil {
		return err
	}
	defer ws.Close()
	join := map[string]any{"channels": []any{map[string]any{"channel": "room.0"}, map[string]any{"channel": "room.1"}}}
	ws.Send(map[string]any{"id": 1, "join": join})
	for {
		f, err := ws.NextMessage()
		if err != nil || f.Join != nil {
			return err
		}
	}
}
