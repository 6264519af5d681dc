package wire

// The functions in this file skip parts of a JSON text that is known to be UTF-8. They take an
// index and return the index after the skipped part. A negative result means that the part is not
// there.

// skipValue skips the JSON value that starts at b[i].
func skipValue(b []byte, i int) (int, error) {
	if i == len(b) || b[i] != '{' && b[i] != '[' {
		return skipped(skipScalar(b, i))
	}
	var open nesting
	for {
		if i < len(b) && (b[i] == '{' || b[i] == '[') {
			if open.depth == MaxDepth {
				return -1, errDepth
			}
			open.push(b[i] == '{')
			if i = skipSpace(b, i+1); i == len(b) {
				return -1, errSyntax
			}
			if b[i] != open.closer() {
				if open.inObject() {
					_, i = skipKey(b, i)
				}
				if i < 0 {
					return -1, errSyntax
				}
				continue
			}
		} else if i = skipScalar(b, i); i < 0 {
			return -1, errSyntax
		}
		// A value has ended. It may also end the lists and objects around it.
		for i = skipSpace(b, i); i < len(b) && b[i] == open.closer(); i = skipSpace(b, i) {
			i++
			if open.depth--; open.depth == 0 {
				return i, nil
			}
		}
		if i == len(b) || b[i] != ',' {
			return -1, errSyntax
		}
		i = skipSpace(b, i+1)
		if open.inObject() {
			if _, i = skipKey(b, i); i < 0 {
				return -1, errSyntax
			}
		}
	}
}

func skipped(i int) (int, error) {
	if i < 0 {
		return -1, errSyntax
	}
	return i, nil
}

// nesting is a stack of open lists and objects, with one bit per level: 1 means an object.
type nesting struct {
	depth int
	bits  [(MaxDepth + 63) / 64]uint64
}

func (n *nesting) push(object bool) {
	word, bit := n.depth/64, uint64(1)<<(n.depth%64)
	if object {
		n.bits[word] |= bit
	} else {
		n.bits[word] &^= bit
	}
	n.depth++
}

// inObject reports whether the innermost open value is an object. At least one must be open.
func (n *nesting) inObject() bool {
	d := n.depth - 1
	return n.bits[d/64]>>(d%64)&1 == 1
}

// closer returns the byte that closes the innermost open value. At least one must be open.
func (n *nesting) closer() byte {
	if n.inObject() {
		return '}'
	}
	return ']'
}

// skipSpace skips JSON white space, if there is any.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipKey skips a string, a colon and the white space around it. It also returns the end of the
// string.
func skipKey(b []byte, i int) (end, next int) {
	if end = skipString(b, i); end < 0 {
		return -1, -1
	}
	if i = skipSpace(b, end); i == len(b) || b[i] != ':' {
		return -1, -1
	}
	return end, skipSpace(b, i+1)
}

// skipScalar skips a string, a number, true, false or null.
func skipScalar(b []byte, i int) int {
	if i == len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	default:
		return skipNumber(b, i)
	}
}

func skipWord(b []byte, i int, word string) int {
	end := i + len(word)
	if len(b) < end || string(b[i:end]) != word {
		return -1
	}
	return end
}

// skipString skips a string, including its quotes.
func skipString(b []byte, i int) int {
	if i == len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i++; i == len(b) {
				return -1
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if hex4(b[i+1:]) < 0 {
					return -1
				}
				i += 4
			default:
				return -1
			}
		}
	}
	return -1
}

// skipNumber skips a number of any size.
func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' { // JSON forbids digits after a leading zero
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits skips one or more digits.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
