// Package oracle decides whether a run of Boreas kept its promise: a message is
// delivered once and in order, or the client is told exactly what it missed.
//
// It is given what happened, and judges afterwards. The truth is a [Log]: what the
// engine itself took, recorded where it took it. Publishers say which messages were
// acknowledged ([Publish]); each subscriber's [Stream] is what the application saw on
// one channel: messages, by their content, and gaps. What a client says of itself,
// such as "recovered", is a claim to be checked and never a reason to believe it.
//
// What is not as it should be is a [Finding], and the number of findings is that of
// the unexplained.
package oracle
