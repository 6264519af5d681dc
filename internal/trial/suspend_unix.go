//go:build unix

package trial

import "syscall"

// suspend stops the process until resume, as a machine does that is frozen.
func (p *process) suspend() error { return p.command.Process.Signal(syscall.SIGSTOP) }

func (p *process) resume() error { return p.command.Process.Signal(syscall.SIGCONT) }
