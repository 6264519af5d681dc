package textfile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDecode decodes the same text in each encoding that editors and shells use.
func TestDecode(t *testing.T) {
	tests := []struct{ name, text, want, err string }{
		{"UTF-8", "a = 'é😀'\n", "a = 'é😀'\n", ""},
		{"UTF-8 with a mark", "\xef\xbb\xbfé\n", "é\n", ""},
		{"a mark alone", "\xef\xbb\xbf", "", ""},
		{"UTF-16, low byte first", "\xff\xfeh\x00\xe9\x00\n\x00", "hé\n", ""},
		{"UTF-16, high byte first", "\xfe\xff\x00h\x00\xe9\x00\n", "hé\n", ""},
		{"UTF-16 beyond the first plane", "\xff\xfe\x3d\xd8\x00\xde", "😀", ""},
		{"UTF-16 with half of a pair", "\xff\xfe\x3d\xd8a\x00", "", "it begins as UTF-16 text and is damaged: save it as UTF-8"},
		{"UTF-16 that ends in a pair", "\xff\xfe\x3d\xd8", "", "it begins as UTF-16 text and is damaged: save it as UTF-8"},
		{"UTF-16 that lacks a byte", "\xff\xfea\x00b", "", "it begins as UTF-16 text and is damaged: save it as UTF-8"},
		{"UTF-16 with a NUL", "\xff\xfea\x00\x00\x00b\x00", "", "byte 1 is NUL, so it is not UTF-8 text: save it as UTF-8"},
		{"UTF-16 without a mark", "a\x00b\x00", "", "byte 1 is NUL, so it is not UTF-8 text: save it as UTF-8"},
		{"UTF-32", "\xff\xfe\x00\x00a\x00\x00\x00", "", "it is UTF-32 text: save it as UTF-8"},
		{"not UTF-8: the parser reports the line", "a\xffb", "a\xffb", ""},
		{"nothing", "", "", ""},
	}
	for _, tt := range tests {
		got, err := Decode([]byte(tt.text))
		message := ""
		if err != nil {
			message = err.Error()
		}
		if string(got) != tt.want || message != tt.err {
			t.Errorf("%s: got %q and %q, want %q and %q", tt.name, got, message, tt.want, tt.err)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("\xef\xbb\xbfabcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path, 7); err != nil || string(got) != "abcd" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Read(path, 6); err == nil || err.Error() != "it has more than 6 bytes" {
		t.Errorf("got %v", err)
	}
	if _, err := Read(path+"x", 6); err == nil || err.Error() != "no such file or directory" {
		t.Errorf("got %v", err)
	}
}
