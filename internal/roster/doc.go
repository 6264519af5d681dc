// Package roster makes presence the same on all nodes of a cluster: a user with sessions on several
// nodes joins once and leaves once. It carries the changes of each hub's own sessions to the other
// hubs, over a [nodes.Group]. Nothing is stored.
//
// # Use
//
//	r := roster.New(log)
//	hub := boreas.New(boreas.Options{Node: name, PresenceChanged: r.Changed, ...})
//	group, err := nodes.Open(ctx, ...) // Servers.Node is the same name
//	r.Start(hub, group)
//	...
//	hub.Shutdown(ctx, drain) // the changes of ending sessions still go out
//	group.Close()            // the others know at once that this node has left
//	r.Close()
//
// # Changes
//
// A node numbers its changes, and tells them to all others in order. The others apply them in order. A
// node that may have missed a change takes a snapshot from the node that made it. It may have missed
// one if
//
//   - the node is new to it, or can be reached again;
//   - the number of a change does not follow the one before;
//   - the number in a beat of the node is not that of the last change;
//   - the number is the same, but the beat's digest of the node's sessions is not.
//
// A snapshot is a list of the sessions that are present on channels, page by page. It begins with the
// number N of a change. The list shows all changes up to N, and any of the later ones. The receiver
// keeps the changes that come meanwhile. After the last page it applies those after N, of each session
// only the last one. So a session that leaves and enters meanwhile causes no event.
//
// # Nodes that end
//
// The sessions of a node that has died or left linger: they count as present for the hub's
// PresenceLinger. A user who reconnects to another node meanwhile causes no event.
//
// Channels with only the numbers of users work in the same way. The nodes need the names of the users
// there too, to count a user with sessions on two nodes once.
package roster
