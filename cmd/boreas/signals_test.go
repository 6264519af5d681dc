package main

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestEndDuringReload: a reload that waits for a file does not keep the process alive.
func TestEndDuringReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stopSignals{hangups: make(chan os.Signal, 1)}
		file := make(chan struct{})
		end := s.onHangup(func() { <-file })
		s.hangups <- syscall.SIGHUP
		synctest.Wait()
		begin := time.Now()
		end()
		if waited := time.Since(begin); waited != reloadMargin {
			t.Errorf("the end waited %v, want %v", waited, reloadMargin)
		}
		close(file)
	})
}
