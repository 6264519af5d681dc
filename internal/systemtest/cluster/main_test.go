package cluster

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Goroutines()...) }
