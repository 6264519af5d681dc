package disk

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killChild); dir != "" {
		publishUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
