// Package trial puts a whole server to the test of package oracle: a server in this
// process, publishers that number their messages, subscribers of every kind behind
// fault proxies, and a storm that cuts, stalls, slows and resets their connections,
// restarts the server and lets its log begin anew. In the end all is quiet, and the
// oracle judges what each subscriber saw.
//
//	trial.go       a trial from its beginning to its end
//	world.go       the server, its engine, its restarts
//	requests.go    HTTP
//	witness.go     the engine that writes down the truth, and the one that lies
//	content.go     messages that can be told apart and checked
//	recording.go   what one subscriber sees on one channel
//	publisher.go   over HTTP, classic and v2
//	raw.go, frame.go, twice.go
//	               protocol 2 without a client, with resumes that are made twice
//	classic.go     the classic wire
//	gosubscriber.go, script.go
//	               the Go client, and clients in other processes
//	storm.go, ghost.go
//	               the faults, and users that are lost for good
//
// What is random comes from the seed. The same seed makes the same plan; what the
// network and the scheduler make of it differs a little each time.
package trial
