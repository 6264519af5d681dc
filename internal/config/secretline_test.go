package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorsHideSecrets: an error of a file does not show a line with a secret.
func TestErrorsHideSecrets(t *testing.T) {
	for _, text := range []string{
		`admin_key = "bk_HIDDEN`,
		`admin_ky = "bk_HIDDEN"`,
		`"admin-key" = "HIDDEN"`,
		`cluster_secret = HIDDEN`,
		`nats_password = "HIDDEN" x`,
		`nats_pasword = "HIDDEN"`,
		`NATS_TOKEN = "HIDDEN"`,
		`auth_url = "https://ann:HIDDEN@h`,
	} {
		file := filepath.Join(t.TempDir(), "boreas.toml")
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Input{Flags: map[string]string{"config": file}})
		if err == nil || strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
