// Package js contains the browser client that the server serves.
package js

import _ "embed" // embeds the source

// Source is the ES module boreas.js. Do not modify it.
//
//go:embed boreas.js
var Source []byte
