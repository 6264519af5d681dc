package coding

import "strings"

// unnamed is the weight of a coding that a client does not name.
const unnamed = -1

// maxWeight is the weight 1. Weights are counted in thousandths.
const maxWeight = 1000

// preferences are the weights of the codings in a client's Accept-Encoding.
type preferences struct{ gzip, deflate, identity, any int }

// Choose returns the coding that a client prefers for a response, from its headers Accept-Encoding
// (RFC 9110, section 12.5.3). If the client prefers several codings equally, Choose returns the
// first one in offered. It returns Identity only if the client prefers that, or accepts no other. A
// client that accepts nothing at all gets Identity too, because an error would not help it.
func Choose(accept []string, offered ...Coding) Coding {
	if len(accept) == 0 {
		return Identity
	}
	p := preferences{unnamed, unnamed, unnamed, unnamed}
	for _, list := range accept {
		for element := range strings.SplitSeq(list, ",") {
			p.read(element)
		}
	}
	best, most := Identity, 0
	for _, c := range offered {
		if w := p.weight(c); w > most && w >= p.identity {
			best, most = c, w
		}
	}
	return best
}

// read records an element of a list, such as "gzip;q=0.5". If a name occurs twice, the last one
// counts.
func (p *preferences) read(element string) {
	name, parameters, _ := strings.Cut(element, ";")
	name = trim(name)
	var weight *int
	switch {
	case strings.EqualFold(name, string(Gzip)), strings.EqualFold(name, "x-gzip"):
		weight = &p.gzip
	case strings.EqualFold(name, string(Deflate)):
		weight = &p.deflate
	case strings.EqualFold(name, string(Identity)):
		weight = &p.identity
	case name == "*":
		weight = &p.any
	default:
		return
	}
	*weight = maxWeight
	for parameters != "" {
		var parameter string
		parameter, parameters, _ = strings.Cut(parameters, ";")
		key, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(trim(key), "q") {
			*weight = parseWeight(trim(value))
		}
	}
}

// weight returns the weight of a coding other than Identity: 0 if the client does not accept it.
func (p *preferences) weight(c Coding) int {
	named := unnamed
	switch c {
	case Gzip:
		named = p.gzip
	case Deflate:
		named = p.deflate
	}
	if named == unnamed {
		return p.any
	}
	return named
}

// parseWeight returns a weight in thousandths. An invalid one counts as 0, so that the client does
// not receive a coding that it may not want.
func parseWeight(text string) int {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 {
		return 0
	}
	weight := int(whole[0] - '0')
	for i := range 3 {
		weight *= 10
		if i < len(fraction) {
			if fraction[i] < '0' || fraction[i] > '9' {
				return 0
			}
			weight += int(fraction[i] - '0')
		}
	}
	if weight > maxWeight {
		return 0
	}
	return weight
}

func trim(s string) string { return strings.Trim(s, " \t") }
