//go:build !linux

package socket

import "time"

// SetPeerTimeout does nothing on this system.
func (c *Conn) SetPeerTimeout(time.Duration) {}
