package disk

import "bytes"

// A salvage is the reading of a segment that may be damaged.
type salvage struct {
	*reading
	found []DamageError // at most maxListed
	lost  int64         // messages in damaged records, -1 if their number is unknown
}

// salvage reads the segment and goes on after damage. The error is one of the file. A header that
// is not known is the zero header.
func (r *scanner) salvage(h header, known bool) (*salvage, error) {
	s := &salvage{reading: r.begin(h)}
	for s.end < r.size {
		kind, body, n, err := r.record(s.end)
		next, lost := s.end+n, int64(0)
		switch {
		case err == nil:
			if err = s.take(kind, body); err != nil {
				err, lost = r.damage(s.end, "%v", err), lostIn(kind, n)
			}
		case isReadError(err):
			return nil, err
		default:
			if err = r.tail(s.scan, err); err == nil {
				s.finish(known)
				return s, nil
			}
			if _, is := asDamage(err); !is {
				return nil, err
			}
			s.torn = 0 // tail has counted the rest of the file, before it found damage
			var failed error
			if next, lost, failed = r.skip(s.end); failed != nil {
				return nil, failed
			}
		}
		if err != nil {
			d, _ := asDamage(err)
			s.report(d, lost)
			s.ended = false
			s.damaged = next
		}
		if next == 0 {
			s.damaged = r.size
			return s, nil // the end is missing as well, which needs no second report
		}
		s.end = next
	}
	s.finish(known)
	return s, nil
}

func (s *salvage) report(d *DamageError, lost int64) {
	if len(s.found) < maxListed {
		s.found = append(s.found, *d)
	}
	if lost < 0 || s.lost < 0 {
		s.lost = -1
	} else {
		s.lost += lost
	}
}

// finish notes damage of the end. If the header is not known, that damage is noted already.
func (s *salvage) finish(known bool) {
	r := s.scanner
	d, is := asDamage(r.finish(s.scan))
	switch {
	case !known && (r.size < headerSize || !r.last && !s.ended):
		s.lost = -1
	case is && known:
		s.report(d, -1)
		s.damaged = r.size
	}
}

// skip returns the place at which to go on after the damaged record at a place, or 0 if nothing
// that is whole follows. It also returns how many messages are lost, -1 if that is unknown.
func (r *scanner) skip(place int64) (next, lost int64, err error) {
	b, err := r.at(place, recordHead)
	if err != nil {
		return 0, 0, err
	}
	if len(b) == recordHead {
		kind, n := b[8], 8+int64(order.Uint32(b[4:]))
		if n >= recordHead && place+n < r.size {
			switch _, _, _, err := r.record(place + n); {
			case err == nil:
				return place + n, lostIn(kind, n), nil
			case isReadError(err):
				return 0, 0, err
			}
		}
	}
	next, err = r.nextBatch(place + 1)
	return next, -1, err
}

// lostIn returns how many messages are lost with a damaged record, -1 if that is unknown.
func lostIn(kind byte, n int64) int64 {
	switch {
	case kind == messageRecord:
		return 1
	case kind == markRecord && n == markSize, kind == defineRecord, kind == purgeRecord, kind == endRecord && n == endSize:
		return 0
	}
	return -1
}

// nextBatch returns the place of the next mark or end, or 0 if there is none.
func (r *scanner) nextBatch(place int64) (int64, error) {
	end := appendEnd(nil)
	for ; place+endSize <= r.size; place++ {
		b, err := r.at(place, markSize)
		if err != nil {
			return 0, err
		}
		switch {
		case bytes.HasPrefix(b, end):
			return place, nil
		case b[8] != markRecord:
			continue
		}
		if _, body, n, err := parseRecord(b); err == nil && n == markSize {
			if _, err := parseMark(body); err == nil {
				return place, nil
			}
		}
	}
	return 0, nil
}
