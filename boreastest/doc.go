// Package boreastest helps to test engines and code that embeds Boreas. [TestEngine] checks the
// rules of an engine, [TestDurableEngine] that it keeps its messages when it is opened again, and
// [TestSharedEngine] that several engines share one store.
// [Between] lets a test act between two steps of an engine, and [Shared] is an engine whose offsets
// have holes. [Conn] is the client's end of a session, in memory.
package boreastest
