package server

import "github.com/boreas-pubsub/boreas/v2/internal/config"

const (
	// Some of the process's file descriptors are kept for uses other than sessions: 1/reservedShare
	// of them, or 1/fewReservedShare if there are few.
	reservedShare    = 16
	fewReservedShare = 4
	fewReserved      = 256 // the most that fewReservedShare reserves
	minReserved      = 64

	// 1/fileShare of the reserved descriptors is for files and for connections that the server
	// opens itself. The two ports share the rest.
	fileShare = 4
	maxFiles  = 256

	// freely is how many connections without a session a port may have if the number of descriptors
	// is unlimited.
	freely = 1024

	// addressOfAPI is the part of the API's connections that one address may have, as a divisor.
	// addressOfWS is the same for handshakes on the subscribers' port.
	addressOfAPI = 2
	addressOfWS  = 4

	// maxAddressHandshakes limits the latter, because a TLS handshake can hold about 80 KiB that no
	// memory limit counts.
	maxAddressHandshakes = 1024
)

// addressHandshakes returns how many handshakes one address may have under way, out of room.
func addressHandshakes(room int) int {
	return min(max(room/addressOfWS, minPeer), maxAddressHandshakes)
}

// descriptors divides the process's file descriptors between their uses, so that no use takes
// those of the others.
type descriptors struct {
	limit      int // 0 means no limit
	sessions   int // 0 means no limit
	handshakes int // connections to the subscribers' port without a session
	api        int // connections to the API
	files      int // the rest, for files, listeners, and connections that the server opens
	history    int // included in files: those of the engine on disk
}

// shareOut divides a limit of file descriptors; 0 means no limit. maxConnections and api are the
// values of the options; 0 means as many as possible. history is the number of files that the engine
// needs: without a descriptor for its next file it could accept no more messages.
func shareOut(limit, maxConnections, api, history int) descriptors {
	d := descriptors{limit: limit, sessions: maxConnections, handshakes: freely, api: freely, history: history}
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
	d.files += history
	fits := max(1, limit-d.files-d.handshakes-d.api)
	if d.sessions == 0 || d.sessions > fits {
		d.sessions = fits
	}
	return d
}

// account divides the descriptors according to the options.
func (s *Server) account() descriptors {
	limit, _ := descriptorLimit()
	history := 0
	if s.cfg.Engine == config.EngineDisk {
		history = diskOptions(s.cfg, s.rules).MaxFiles()
	}
	return shareOut(limit, s.cfg.MaxConnections, s.cfg.APIConnections, history)
}

// logDescriptors logs the division, and options that are larger than the available number.
func (s *Server) logDescriptors(d descriptors) {
	for _, option := range []struct {
		name      string
		given, is int
	}{{"max_connections", s.cfg.MaxConnections, d.sessions}, {"api_connections", s.cfg.APIConnections, d.api}} {
		if option.given > option.is {
			s.log.Warn(option.name+" is higher than file descriptors allow, so the server uses a lower value: raise the limit (ulimit -n, LimitNOFILE)",
				option.name, option.given, "in_force", option.is, "file_descriptors", d.limit)
		}
	}
	if d.limit > 0 && d.history > d.limit/2 {
		s.log.Warn("the files of messages may need more than half of the file descriptors: raise the limit (ulimit -n, LimitNOFILE), or lower history_disk",
			"files_of_messages", d.history, "file_descriptors", d.limit)
	}
	s.log.Info("shares of file descriptors", "limit", d.limit, "sessions", d.sessions,
		"handshakes", d.handshakes, "api", d.api, "files", d.files)
}
