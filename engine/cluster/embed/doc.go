// Package embed runs a NATS server with JetStream inside of a node, so that three or five nodes form
// a cluster without another service. Programs that use NATS servers of their own do not need it.
//
// With the build tag noembed the package has no server, which saves a third of the program's size.
// [Start] then returns [ErrNotBuilt].
//
// # Directory
//
// The directory belongs to one node of one cluster. A file in it, boreas.json, has the node's name
// and the names of all peers. [Start] refuses the directory of another node, and one that other
// programs have filled: a server that joins a cluster deletes the streams that the cluster does not
// know.
package embed
