//go:build go1.27

package socket

import "crypto/tls"

const canRelease = false // see tlsbuffers.go

func release(*tls.Conn) {}
