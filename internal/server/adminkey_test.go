package server

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// TestAdminKey starts servers that other machines can reach, with the key in a file.
func TestAdminKey(t *testing.T) {
	const key = "bk_0123456789abcdefghijklmnopqrstuv"
	file := filepath.Join(t.TempDir(), "admin.key")
	start := func(text string) (*Server, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Start(t.Context(), testConfig(func(c *config.Config) { c.APIHost, c.AdminKey = "0.0.0.0", "file:"+file }), Options{})
	}
	for text, want := range map[string]string{
		"bk_short": "admin_key: the key has 5 characters after bk_: give it 32 to 256 random ones",
		"\n":       "admin_key: the file " + file + " is empty: write the secret into it",
	} {
		if s, err := start(text); err == nil || err.Error() != want {
			if err == nil {
				s.Shutdown(t.Context())
			}
			t.Errorf("%q: got %v\nwant %s", text, err, want)
		}
	}
	s, err := start(key + "\n")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	_, port, err := net.SplitHostPort(s.APIAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for credential, want := range map[string]int{"": 401, "Bearer " + key: 200, "Bearer " + key + "x": 401} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:"+port+"/v2/keys", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", credential)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("with %q: status %d, want %d", credential, response.StatusCode, want)
		}
	}
}
