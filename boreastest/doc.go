// Package boreastest helps to test Boreas and its engines. It contains a test of the engine
// contract, an engine that lets a test act between two steps, a session's connection in memory, and
// a proxy that simulates network faults.
package boreastest
