package coding

// EncodeGzip returns a body in the coding Gzip. It reports false if that would not make the body
// smaller.
func EncodeGzip(body []byte) ([]byte, bool) {
	enter()
	defer leave()
	out := appendGzip(make([]byte, 0, len(body)/growth), body)
	return out, len(out) < len(body)
}
