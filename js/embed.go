// Package js holds the client for browsers, as the server serves it.
package js

import _ "embed" // for the source

// Source is the ES module boreas.js. It must not be changed.
//
//go:embed boreas.js
var Source []byte
