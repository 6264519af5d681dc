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

// v2 returns a header of version 2.
func v2(command, family byte, length int, rest string) string {
	return signature2 + string([]byte{command, family, byte(length >> 8), byte(length)}) + rest
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
		{"v2, more after the addresses", v2(0x21, 0x11, 20, four+"\x03\x00\x05abcde"), "192.0.2.7:1234"},
		{"v2, IPv6", v2(0x21, 0x21, 36, six), "[2001:db8::7]:1234"},
		{"v2, local", v2(0x20, 0x00, 0, ""), "invalid AddrPort"},
		{"v2, local with an address", v2(0x20, 0x11, 12, four), "invalid AddrPort"},
		{"v1, unknown with anything", "PROXY UNKNOWN what  ever\r\n", "invalid AddrPort"},
		{"v1, unknown, the longest", "PROXY UNKNOWN " + strings.Repeat("f", 107-16) + "\r\n", "invalid AddrPort"},
		{"v1, IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.7 ::1 1234 80\r\n", "192.0.2.7:1234"},
		{"v2, local with a family that is unknown", v2(0x20, 0xff, 3, "abc"), "invalid AddrPort"},
		{"v2, unspecified", v2(0x21, 0x00, 0, ""), "invalid AddrPort"},
		{"v2, unspecified with more bytes", v2(0x21, 0x00, 20, four+"\x03\x00\x05abcde"), "invalid AddrPort"},
		{"v2, datagrams", v2(0x21, 0x12, 12, four), "192.0.2.7:1234"},
		{"v2, datagrams, IPv6", v2(0x21, 0x22, 36, six), "[2001:db8::7]:1234"},
		{"v2, IPv4 in IPv6", v2(0x21, 0x21, 36, strings.Repeat("\x00", 10)+"\xff\xff\xc0\x00\x02\x07"+six[16:]), "192.0.2.7:1234"},
		{"v2, a Unix socket", v2(0x21, 0x31, 216, strings.Repeat("/", 216)), "invalid AddrPort"},
		{"v2, a Unix socket, datagrams", v2(0x21, 0x32, 220, strings.Repeat("/", 220)), "invalid AddrPort"},
		{"v2, the longest", v2(0x21, 0x11, 65535, four+strings.Repeat("x", 65535-12)), "192.0.2.7:1234"},
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
				t.Errorf("%s, %s: rest (-want +got):\n%s", c.name, name, diff)
			}
		}
	}
}

func TestBadHeaders(t *testing.T) {
	const (
		none  = "it does not begin with a header of the PROXY protocol"
		short = "the header of the PROXY protocol did not come: unexpected EOF"
		gone  = "the header of the PROXY protocol did not come: EOF"
		long  = "the header of the PROXY protocol is too long"
		wrong = "the header of the PROXY protocol is not valid"
	)
	for _, c := range []struct{ name, sent, want string }{
		{"nothing", "", gone},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", none},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", none},
		{"a part of v1", "PROXY TCP4 192.0.2.7 1", short},
		{"a part of v2", signature2 + "\x21", short},
		{"v2 without its address", v2(0x21, 0x11, 12, four[:11]), short},
		{"another word", "PROXYING TCP4 192.0.2.7 10.0.0.9 1234 80\r\n", none},
		{"v1 without CR", "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\n" + strings.Repeat("x", 200), long},
		{"v1 without CR, as long as one with it", "PROXY TCP4 192.0.2.77 10.0.0.9 1234 80\n" + strings.Repeat("x", 200), wrong},
		{"v1 without a line end", "PROXY " + strings.Repeat("9", 1000), long},
		{"v1 of UDP", "PROXY UDP4 192.0.2.7 10.0.0.9 1234 80\r\n", wrong},
		{"v1 with a name", "PROXY TCP4 example.com 10.0.0.9 1234 80\r\n", wrong},
		{"v1 with a bad port", "PROXY TCP4 192.0.2.7 10.0.0.9 70000 80\r\n", wrong},
		{"v1 without ports", "PROXY TCP4 192.0.2.7 10.0.0.9\r\n", wrong},
		{"v2 of another version", v2(0x31, 0x11, 12, four), wrong},
		{"v2 with another command", v2(0x22, 0x11, 12, four), wrong},
		{"v1 of IPv6 with an IPv4 address", "PROXY TCP6 192.0.2.7 10.0.0.9 1234 80\r\n", wrong},
		{"v1 of IPv4 with an IPv6 address", "PROXY TCP4 ::1 ::2 1234 80\r\n", wrong},
		{"v1 with a zone", "PROXY TCP6 fe80::1%eth0 ::2 1234 80\r\n", wrong},
		{"v1 with a leading zero", "PROXY TCP4 192.0.2.7 10.0.0.9 0123 80\r\n", wrong},
		{"v1 with a sign", "PROXY TCP4 192.0.2.7 10.0.0.9 +123 80\r\n", wrong},
		{"v1 with two spaces", "PROXY TCP4  192.0.2.7 10.0.0.9 1234 80\r\n", wrong},
		{"v1 with a word too many", "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80 x\r\n", wrong},
		{"v1 of a word like unknown", "PROXY UNKNOWNS\r\n", wrong},
		{"v1, unknown, too long", "PROXY UNKNOWN " + strings.Repeat("f", 200) + "\r\n", long},
		{"v2, local of another version", v2(0x10, 0x00, 0, ""), wrong},
		{"v2 of another family", v2(0x21, 0x41, 216, strings.Repeat("x", 216)), wrong},
		{"v2 of another transport", v2(0x21, 0x13, 12, four), wrong},
		{"v2 with a family and no transport", v2(0x21, 0x10, 12, four), wrong},
		{"v2 with a transport and no family", v2(0x21, 0x01, 12, four), wrong},
		{"v2 that is too short for an address", v2(0x21, 0x11, 4, four), wrong},
		{"v2 that is too short for an IPv6 address", v2(0x21, 0x21, 12, four), wrong},
		{"v2 that is too short for a Unix socket", v2(0x21, 0x31, 215, strings.Repeat("/", 215)), wrong},
		{"v2, the end is missing", v2(0x21, 0x11, 65535, four+"xxx"), gone},
		{"v2, nothing follows the addresses", v2(0x21, 0x11, 65535, four), gone},
	} {
		got, err := readHeader(strings.NewReader(c.sent))
		if err == nil {
			t.Errorf("%s: accepted as %v", c.name, got)
			continue
		}
		text := err.Error()
		if c.want == wrong {
			text, _, _ = strings.Cut(text, ": ")
		}
		if diff := cmp.Diff(c.want, text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// FuzzHeader: readHeader reads exactly the header, and never more than the longest header.
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
		if read > fixed+0xffff {
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
		case bytes.HasPrefix(head, []byte(signature2)):
			if want := 16 + int(head[14])<<8 + int(head[15]); want != read {
				t.Errorf("%q: %d bytes were read, want %d", sent, read, want)
			}
		default:
			t.Errorf("%q is accepted as a header", sent)
		}
		if s := fmt.Sprint(got); got.IsValid() && (got.Addr().Is4In6() || got.Addr().Zone() != "") {
			t.Errorf("%q: %s", sent, s)
		}
	})
}
