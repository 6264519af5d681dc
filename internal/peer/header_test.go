package peer

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 makes a header of version 2.
func v2(command, family byte, length int, rest string) string {
	return signature + string([]byte{command, family, byte(length >> 8), byte(length)}) + rest
}

const (
	four = "\xc0\x00\x02\x07\x0a\x00\x00\x09\x04\xd2\x00\x50" // 192.0.2.7:1234 to 10.0.0.9:80
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\x04\xd2\x00\x50"
)

func TestHeaders(t *testing.T) {
	longest := "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff7 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
	for _, c := range []struct{ name, header, want string }{
		{"v1", "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\n", "192.0.2.7:1234"},
		{"v1, the shortest", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "1.1.1.1:1"},
		{"v1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::9 1234 80\r\n", "[2001:db8::7]:1234"},
		{"v1, the shortest IPv6", "PROXY TCP6 ::1 ::2 1 2\r\n", "[::1]:1"},
		{"v1, the longest", longest, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff7]:65535"},
		{"v1, unknown", "PROXY UNKNOWN\r\n", "invalid AddrPort"},
		{"v1, unknown with addresses", "PROXY UNKNOWN 192.0.2.7 10.0.0.9 1234 80\r\n", "invalid AddrPort"},
		{"v2", v2(0x21, 0x11, 12, four), "192.0.2.7:1234"},
		{"v2, more behind it", v2(0x21, 0x11, 20, four+"\x03\x00\x05abcde"), "192.0.2.7:1234"},
		{"v2, IPv6", v2(0x21, 0x21, 36, six), "[2001:db8::7]:1234"},
		{"v2, local", v2(0x20, 0x00, 0, ""), "invalid AddrPort"},
		{"v2, local with an address", v2(0x20, 0x11, 12, four), "invalid AddrPort"},
		{"v2, a socket of the system", v2(0x21, 0x31, 216, strings.Repeat("/", 216)), "invalid AddrPort"},
	} {
		for name, reader := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			rest := "GET / HTTP/1.1\r\n"
			source := strings.NewReader(c.header + rest)
			got, err := readHeader(reader(source))
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, name, err)
				continue
			}
			if diff := cmp.Diff(c.want, got.String()); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", c.name, name, diff)
			}
			left, _ := io.ReadAll(source)
			if diff := cmp.Diff(rest, string(left)); diff != "" {
				t.Errorf("%s, %s: what is left (-want +got):\n%s", c.name, name, diff)
			}
		}
	}
}

func TestBadHeaders(t *testing.T) {
	const (
		none    = "it does not begin with a header of the PROXY protocol"
		short   = "the header of the PROXY protocol did not come: unexpected EOF"
		gone    = "the header of the PROXY protocol did not come: EOF"
		long    = "the header of the PROXY protocol is too long"
		invalid = "the header of the PROXY protocol is not valid"
	)
	for _, c := range []struct{ name, sent, want string }{
		{"nothing", "", gone},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", none},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", none},
		{"a part of v1", "PROXY TCP4 192.0.2.7 1", short},
		{"a part of v2", signature + "\x21", short},
		{"v2 without its address", v2(0x21, 0x11, 12, four[:11]), short},
		{"another word", "PROXYING TCP4 192.0.2.7 10.0.0.9 1234 80\r\n", invalid},
		{"v1 without CR", "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\n" + strings.Repeat("x", 200), long},
		{"v1 without CR, as long as one with it", "PROXY TCP4 192.0.2.77 10.0.0.9 1234 80\n" + strings.Repeat("x", 200), invalid},
		{"v1 without an end", "PROXY " + strings.Repeat("9", 1000), long},
		{"v1 of UDP", "PROXY UDP4 192.0.2.7 10.0.0.9 1234 80\r\n", invalid},
		{"v1 with a name", "PROXY TCP4 example.com 10.0.0.9 1234 80\r\n", invalid},
		{"v1 with a bad port", "PROXY TCP4 192.0.2.7 10.0.0.9 70000 80\r\n", invalid},
		{"v1 without ports", "PROXY TCP4 192.0.2.7 10.0.0.9\r\n", invalid},
		{"v2 of another version", v2(0x31, 0x11, 12, four), invalid},
		{"v2 with another command", v2(0x22, 0x11, 12, four), invalid},
		{"v2 of UDP", v2(0x21, 0x12, 12, four), "the header of the PROXY protocol is not of a stream"},
		{"v2 that is too short for an address", v2(0x21, 0x11, 4, four), invalid},
		{"v2 that is too long", v2(0x21, 0x11, 65535, strings.Repeat("x", 65535)), long},
	} {
		got, err := readHeader(strings.NewReader(c.sent))
		if err == nil {
			t.Errorf("%s: is taken for %v", c.name, got)
			continue
		}
		text := err.Error()
		if c.want == invalid {
			text, _, _ = strings.Cut(text, ": ")
		}
		if diff := cmp.Diff(c.want, text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// FuzzHeader: whatever comes, no more is read than the header, and not more of it than is
// allowed.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\nGET"))
	f.Add([]byte("PROXY UNKNOWN\r\nGET"))
	f.Add([]byte(v2(0x21, 0x11, 12, four) + "GET"))
	f.Add([]byte(v2(0x21, 0x21, 36, six) + "GET"))
	f.Add([]byte(v2(0x20, 0, 0, "") + "GET"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		source := bytes.NewReader(sent)
		got, err := readHeader(source)
		read := len(sent) - source.Len()
		if read > maxHeader {
			t.Fatalf("%d bytes were read", read)
		}
		if err != nil {
			return
		}
		switch head := sent[:read]; {
		case bytes.HasPrefix(head, []byte("PROXY ")):
			if i := bytes.Index(sent, []byte("\r\n")); i+2 != read {
				t.Errorf("%q: %d bytes were read", sent, read)
			}
		case bytes.HasPrefix(head, []byte(signature)):
			if want := 16 + int(head[14])<<8 + int(head[15]); want != read {
				t.Errorf("%q: %d bytes were read, want %d", sent, read, want)
			}
		default:
			t.Errorf("%q is taken for a header", sent)
		}
		if s := fmt.Sprint(got); got.IsValid() && (got.Addr().Is4In6() || got.Addr().Zone() != "") {
			t.Errorf("%q: %s", sent, s)
		}
	})
}
