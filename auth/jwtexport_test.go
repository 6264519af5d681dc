package auth

// JWTID and BackendID are for tests.
var (
	JWTID     = jwtID
	BackendID = backendID
)
