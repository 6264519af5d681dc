package socket

// A Taker is an [http.ResponseWriter] with a shorter way than [http.Hijacker] to its connection. A
// handler that can use one of both prefers the Taker.
type Taker interface {
	// Take returns the connection, and the bytes that the client has sent after its request. They
	// are valid until the handler returns, and so is the Conn: the handler moves it to one of its
	// own. From now on the connection belongs to the handler.
	Take() (c *Conn, early []byte)

	// Serve calls serve after the handler has returned, on a goroutine that belongs to the
	// connection and has a small stack. Only a handler that has called Take may call it, once.
	Serve(serve func())

	// Slow calls run, which may wait for another machine.
	Slow(run func())
}
