package server

const (
	// Of the file descriptors that the process may have, some are kept for what is no
	// session: one of reservedShare, or of fewReservedShare if there are few.
	reservedShare    = 16
	fewReservedShare = 4
	fewReserved      = 256 // not more because there are few
	minReserved      = 64

	// Of those, one of fileShare is for files and the connections that the server opens
	// itself. The two ports share the rest.
	fileShare = 4
	maxFiles  = 256

	// freely is how many connections a port may have that are no sessions where
	// descriptors have no limit.
	freely = 1024

	// addressOfAPI is the part of the API's connections that one address may have: one of
	// so many; addressOfWS is that of the subscribers' port.
	addressOfAPI = 2
	addressOfWS  = 4

	// maxAddressHandshakes bounds the latter, because a handshake over TLS can hold some 80 KiB that no budget counts.
	maxAddressHandshakes = 1024
)

// addressHandshakes returns how many of the handshakes under way one address may have.
func addressHandshakes(room int) int {
	return min(max(room/addressOfWS, minPeer), maxAddressHandshakes)
}

// descriptors is the one account of the process's file descriptors: what each may take, so
// that none of them leaves the others without.
type descriptors struct {
	limit      int // 0 is none
	sessions   int // 0 is no bound
	handshakes int // connections to the subscribers' port that are no sessions
	api        int // connections to the API
	files      int // what is left for files, listeners, and connections that the server opens
}

// shareOut shares out a limit of file descriptors; 0 is none. MaxConnections and api are what
// the options say; 0 is what fits.
func shareOut(limit, maxConnections, api int) descriptors {
	d := descriptors{limit: limit, sessions: maxConnections, handshakes: freely, api: freely}
	if limit == 0 {
		if api > 0 {
			d.api = api
		}
		return d
	}
	reserved := max(minReserved, limit/reservedShare, min(fewReserved, limit/fewReservedShare))
	d.files = min(reserved/fileShare, maxFiles)
	d.handshakes = (reserved - d.files) / 2
	d.api = reserved - d.files - d.handshakes
	if api > 0 {
		d.api = min(api, max(d.api, limit/2))
	}
	fits := max(1, limit-d.files-d.handshakes-d.api)
	if d.sessions == 0 || d.sessions > fits {
		d.sessions = fits
	}
	return d
}

// account shares out the descriptors as the options say.
func (s *Server) account() descriptors {
	limit, _ := descriptorLimit()
	return shareOut(limit, s.cfg.MaxConnections, s.cfg.APIConnections)
}

// logDescriptors logs the account, and which options ask for more than there is.
func (s *Server) logDescriptors(d descriptors) {
	for _, option := range []struct {
		name      string
		given, is int
	}{{"max_connections", s.cfg.MaxConnections, d.sessions}, {"api_connections", s.cfg.APIConnections, d.api}} {
		if option.given > option.is {
			s.log.Warn(option.name+" is more than file descriptors allow, and less is in force: raise the limit (ulimit -n, LimitNOFILE)",
				option.name, option.given, "in_force", option.is, "file_descriptors", d.limit)
		}
	}
	s.log.Info("file descriptors are shared out", "limit", d.limit, "sessions", d.sessions,
		"handshakes", d.handshakes, "api", d.api, "files", d.files)
}
