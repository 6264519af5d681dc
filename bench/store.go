package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// storeContender returns a contender that is no server: the program in store/ publishes inside its
// own process.
func storeContender(name, store string) contender {
	return contender{name: name, store: store, build: buildStore}
}

func buildStore(ctx context.Context, w *workshop) (string, error) {
	program := filepath.Join(w.dir, "store")
	if _, err := os.Stat(program); err == nil {
		return program, nil // built for another contender
	}
	return program, tool(ctx, "go", "build", "-tags", "pebble", "-trimpath", "-o", program, "./store")
}

// storeLoad runs a plan with the program in store/. It may use all cores, as it is server and load
// at once.
func (w *workshop) storeLoad(ctx context.Context, p plan, e entrant, into *result) error {
	dir, err := os.MkdirTemp(w.dir, e.store+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // a run writes up to some hundred MiB
	args := []string{
		e.program, "-store", e.store, "-dir", dir, "-publishers", strconv.Itoa(max(p.publishers, 1)), "-replay", strconv.Itoa(p.replayed), "-reopen", strconv.Itoa(p.reopened),
		"-warmup", (warmup * time.Second).String(), "-measured", time.Duration(w.options.seconds * float64(time.Second)).String(),
	}
	var output strings.Builder
	load, err := startProcess(ctx, everyCPU, w.dir, args, nil, &output)
	if err != nil {
		return err
	}
	<-load.ended
	if load.err != nil {
		return fmt.Errorf("%s (%w)", load.lastWords(), load.err)
	}
	metrics, err := parseMetrics(output.String())
	if err != nil {
		return err
	}
	into.add(metrics, "", p)
	return nil
}
