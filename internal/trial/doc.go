// Package trial tests a whole server with package oracle. The server runs in this process, with
// messages on disk in a child process, or as several nodes in child processes.
// Publishers number their messages. Subscribers of all kinds connect through fault proxies. A storm
// cuts, stalls, slows and resets their connections, restarts the server, and replaces its log. In
// the end all failures stop, and the oracle judges what each subscriber received.
//
//	trial.go       a trial from start to end
//	settle.go      the end, when all that is missing must arrive
//	world.go       the server, its engine, its restarts
//	requests.go    HTTP
//	process.go     this program as another process
//	child.go       a server in a process of its own, which can be killed
//	node.go, nats.go, truth.go
//	               several nodes, the NATS servers that keep their messages, and what these have in
//	               the end
//	witness.go     an engine that records the truth
//	liar.go        an engine with planted bugs
//	content.go     messages that can be distinguished and checked
//	recording.go   what one subscriber receives on one channel
//	publisher.go   publishers over HTTP, classic and v2
//	raw.go, presence.go, twice.go
//	               protocol 2 without a client library, with resumes that are made twice
//	classic.go     the classic protocol
//	gosubscriber.go, script.go
//	               the Go client, and clients in other processes
//	storm.go, clusterstorm.go, ghost.go
//	               the failures, and users that disappear for good
//
// All random choices come from the seed. The same seed makes the same plan, but the network and the
// scheduler make each run slightly different.
package trial
