// Package oracle decides whether a run of Boreas kept its promise: each message is delivered once
// and in order, or the client is told exactly which messages it missed.
//
// The oracle judges after the run, from records of what happened. A [Log] has the truth: the
// messages that the engine accepted, recorded at the engine. A [Publish] says whether a message was
// acknowledged. A [Stream] has what an application received on one channel: messages, by their
// content, and gaps. The oracle checks the claims of clients, such as "recovered", and never relies
// on them.
//
// A log can start anew, for example when the engine is replaced. Each such life of the log has its
// own epoch.
//
// A [Finding] is a violation of the promise. The number of findings is the number of unexplained
// events.
package oracle
