// Package nodes is the nodes of a cluster, as one of them sees them. It tells which nodes are alive,
// and carries questions to them and their answers. It uses core NATS: nothing is stored, and after a
// crash of all nodes nothing is left behind.
//
// # Beats
//
// Each node publishes a beat every [BeatInterval] with its name, its incarnation (random, another
// one after each start), its version, and the time of its clock. A node is alive until no message
// has come from it for [DeadAfter] by the receiver's monotonic clock, or until it says goodbye. A
// starting node says hello, and listens for twice the interval before its first beat. So [Open]
// knows the other nodes when it returns, and refuses a name that another live node has.
//
// # Questions
//
// [Group.Ask] sends a question to all live other nodes and collects their answers, for at most
// [AskTimeout]. A node that does not answer in time is silent. A node that says that it cannot
// answer is silent too, because the caller cannot tell what that node knows: it has no handler for
// the kind of question, the handler failed, too many handlers run, or the answer is larger than
// [MaxAnswer]. The log has the reason. A node answers a question once. An answer that comes after
// the end of the call, twice, or from another incarnation than the one asked has no effect.
//
// # Watchers
//
// A [Watcher] learns which nodes come and go, and what they tell to all with [Group.Tell]. Core NATS may
// lose that. So each beat has a digest, with which the watchers of the other nodes find out what they
// have missed. Package roster uses this for presence.
//
// # Wire
//
// All messages go over core NATS, on subjects that begin with the prefix:
//
//	node.NAME.hello, node.NAME.beat    from the node, to all
//	node.NAME.presence                 a content of [Group.Tell], to all
//	ask.NAME.INCARNATION               a question to the node
//	answer.NAME.INCARNATION            a part of an answer to the node
//
// A message is a line of JSON, and after it the content of a question, of an answer or of a Tell. Receivers
// ignore unknown fields. The field "v" is 1. Versions that an older node cannot understand have a
// larger one: a receiver counts a node with such beats as alive, so that it is named as silent,
// drops its other messages, and says so in the log.
package nodes
