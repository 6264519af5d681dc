// Package access says who may do what: channel names, patterns of names, and the permissions
// and the grant that a token gives to its holder.
//
// Nothing in it depends on a hub or on a transport. Package auth makes grants from tokens, and
// the hub asks them before each join, publish, read of history and look at presence.
package access
