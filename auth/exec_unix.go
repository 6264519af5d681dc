//go:build unix

package auth

import (
	"context"
	"os/exec"
	"syscall"
)

// shell returns a command that runs in its own process group. Canceling it kills the group: if only
// the shell was killed, the processes that it has started would go on.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	return cmd
}

// killGroup kills the remaining processes of a command's group.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
