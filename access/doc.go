// Package access has channel names, patterns of channel names, permissions and grants. A [Grant]
// says who a client is and which verbs it may use on which channels.
//
// The package depends on neither the hub nor a transport. Package auth makes grants from tokens.
// The hub checks the session's grant before each join, publish, read of history and read of
// presence.
package access
