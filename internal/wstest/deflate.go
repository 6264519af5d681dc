package wstest

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Deflate is a client's side of permessage-deflate (RFC 7692). It keeps exactly what was agreed on, so
// that a server which needs more fails.
type Deflate struct {
	ServerBits, ClientBits       int  // the sizes of the windows, as powers of two
	ServerContext, ClientContext bool // whether they are kept from one message to the next

	Messages        int // compressed messages that have arrived
	Bytes, Inflated int // their size, before and after decompression

	received, sent []byte // windows
}

// The bytes that end a message (RFC 7692, section 7.2.1), and an empty last block.
const (
	deflateTail = "\x00\x00\xff\xff"
	deflateEnd  = "\x01\x00\x00\xff\xff"
)

// NewDeflate reads a server's answer to an offer: the values of Sec-WebSocket-Extensions. The offer must
// be a single one. It returns nil if the server has declined.
func NewDeflate(offer, answer string) (*Deflate, error) {
	if answer == "" {
		return nil, nil
	}
	offered, answered := strings.Split(offer, "; "), strings.Split(answer, "; ")
	if offered[0] != answered[0] {
		return nil, fmt.Errorf("the server answered with %q to %q", answer, offer)
	}
	d := &Deflate{ServerBits: 15, ClientBits: 15, ServerContext: true, ClientContext: true}
	var seen []string
	for _, p := range answered[1:] {
		name, value, _ := strings.Cut(p, "=")
		bits, err := strconv.Atoi(value)
		most := 15
		of := slices.IndexFunc(offered, func(o string) bool { o, _, _ = strings.Cut(o, "="); return o == name })
		if of >= 0 {
			if _, value, given := strings.Cut(offered[of], "="); given {
				most, _ = strconv.Atoi(value)
			}
		}
		valid := err == nil && bits >= 8 && bits <= most
		switch {
		case slices.Contains(seen, name):
			return nil, fmt.Errorf("the server answered with %q twice: %q", name, answer)
		case p == "server_no_context_takeover":
			d.ServerContext = false
		case p == "client_no_context_takeover":
			d.ClientContext = false
		case name == "server_max_window_bits" && valid:
			d.ServerBits = bits
		case name == "client_max_window_bits" && valid && of >= 0:
			d.ClientBits = bits
		default:
			return nil, fmt.Errorf("the server answered with %q to %q", answer, offer)
		}
		seen = append(seen, name)
	}
	for _, o := range offered[1:] {
		name, _, _ := strings.Cut(o, "=")
		if strings.HasPrefix(o, "server_") && !slices.Contains(seen, name) {
			return nil, fmt.Errorf("the server answered %q without %q", answer, name)
		}
	}
	return d, nil
}

// Inflate returns a message of the server.
func (d *Deflate) Inflate(payload []byte) ([]byte, error) {
	if !d.ServerContext {
		d.received = nil
	}
	in := bytes.NewReader(append(slices.Clone(payload), deflateTail+deflateEnd...))
	message, err := io.ReadAll(flate.NewReaderDict(in, d.received))
	if err != nil || in.Len() > 0 {
		return nil, fmt.Errorf("a message cannot be decompressed after %q: %w", message, err)
	}
	d.Messages++
	d.Bytes += len(payload)
	d.Inflated += len(message)
	d.received = last(append(d.received, message...), 1<<d.ServerBits)
	return message, nil
}

// Compress returns the payload of a compressed message. It refers to earlier ones if that was agreed on.
func (d *Deflate) Compress(message string) string {
	window := 1 << d.ClientBits
	level, dictionary := flate.BestCompression, last(d.sent, max(0, window-len(message)))
	if len(message) > window {
		level = flate.HuffmanOnly
	}
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, level, dictionary)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, message) //nolint:errcheck // a buffer has no errors
	w.Flush()
	if d.ClientContext {
		d.sent = last(append(d.sent, message...), window)
	}
	return strings.TrimSuffix(b.String(), deflateTail)
}

// last returns the last n bytes of b.
func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// SendCompressed sends texts as compressed messages. See [Conn.Send] for errors.
func (c *Conn) SendCompressed(texts ...string) {
	for _, text := range texts {
		io.WriteString(c, Frame(Fin|RSV1|OpText, c.Deflate.Compress(text))) //nolint:errcheck // see Send
	}
}
