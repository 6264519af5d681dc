package auth_test

import (
	"testing"
	"testing/synctest"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/authtest"
)

func TestStore(t *testing.T) {
	authtest.TestStore(t, func(t *testing.T, test func(t *testing.T, open func() auth.Store)) {
		synctest.Test(t, func(t *testing.T) { test(t, auth.NewSharedLog()) })
	})
}
