package server

// Of the file descriptors that the process may have, some are kept for what is no
// session: publishers' connections, listeners, files.
const (
	reservedShare = 16 // one of so many
	minReserved   = 64
)

// maxConnections is how many sessions may be open at once: what is configured, or as
// many as file descriptors allow. 0 means that there is no bound.
func (s *Server) maxConnections() int {
	limit, limited := descriptorLimit()
	allowed := sessionsFor(limit)
	switch {
	case s.cfg.MaxConnections == 0 && limited:
		return allowed
	case limited && s.cfg.MaxConnections > allowed:
		s.log.Warn("max_connections is more than file descriptors allow: raise the limit (ulimit -n, LimitNOFILE)",
			"max_connections", s.cfg.MaxConnections, "file_descriptors", limit, "enough_for", allowed)
	}
	return s.cfg.MaxConnections
}

// sessionsFor is how many sessions fit into a limit of file descriptors.
func sessionsFor(limit int) int {
	return max(1, limit-max(minReserved, limit/reservedShare))
}
