package boreas_test

import (
	"testing"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/boreastest"
)

func TestMemoryIsAnEngine(t *testing.T) {
	boreastest.TestEngine(t, func(*testing.T) boreas.Engine { return boreas.NewMemory(boreas.MemoryOptions{}) })
}
