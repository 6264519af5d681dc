//go:build !unix

package auth

import (
	"context"
	"os/exec"
)

// shell runs the command with the command interpreter of Windows.
func shell(ctx context.Context, command string) *exec.Cmd {
	return exec.CommandContext(ctx, "cmd", "/C", command)
}

// killGroup does nothing, because this system has no process groups.
func killGroup(*exec.Cmd) error { return nil }
