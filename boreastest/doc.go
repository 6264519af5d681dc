// Package boreastest has what tests of Boreas and of its engines need: the rules of
// an engine as a test, an engine that lets a test act between two steps, the far end
// of a session in memory, and a proxy that does to connections what networks do.
package boreastest
