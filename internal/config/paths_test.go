package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pathsTOML = `
data_dir = "data"
token_provider = "file:../tokens"
jwt_keys = "hs256:secret  file:keys/a.pem https://issuer.example/jwks hs512:/etc/boreas/key"
ws_tls_cert = "ws.pem"
ws_tls_key = "/etc/ws.key"
api_tls_cert = "api.pem"
api_tls_key = "api.key"
api_client_ca = "ca.pem"
`

func pathsOf(c Config) map[string]string {
	return map[string]string{
		"data_dir": c.DataDir, "token_provider": c.TokenProvider, "jwt_keys": c.JWTKeys, "ws_tls_cert": c.WSTLSCert, "ws_tls_key": c.WSTLSKey,
		"api_tls_cert": c.APITLSCert, "api_tls_key": c.APITLSKey, "api_client_ca": c.APIClientCA,
	}
}

// TestPathsInAFile: file names in a file are relative to the file, not to the working directory.
func TestPathsInAFile(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "etc")
	for _, d := range []string{dir, filepath.Join(root, "elsewhere")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	conf := strings.ReplaceAll(pathsTOML, "https://issuer.example/jwks ", "")
	for name, text := range map[string]string{"boreas.toml": pathsTOML, "boreas.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"data_dir": dir + "/data", "token_provider": "file:" + root + "/tokens",
		"jwt_keys":    "hs256:" + dir + "/secret file:" + dir + "/keys/a.pem https://issuer.example/jwks hs512:/etc/boreas/key",
		"ws_tls_cert": dir + "/ws.pem", "ws_tls_key": "/etc/ws.key",
		"api_tls_cert": dir + "/api.pem", "api_tls_key": dir + "/api.key", "api_client_ca": dir + "/ca.pem",
	}
	check := func(what string, c Config) {
		t.Helper()
		if diff := cmp.Diff(want, pathsOf(c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	t.Chdir(filepath.Join(root, "elsewhere"))
	file := map[string]string{"config": "../etc/boreas.toml"}
	check("relative", mustLoad(t, Input{Flags: file}))
	check("absolute", mustLoad(t, Input{Env: []string{"BOREAS_CONFIG=" + dir + "/boreas.toml"}}))
	t.Chdir(dir)
	if err := os.Rename("boreas.toml", "other.toml"); err != nil {
		t.Fatal(err)
	}
	want["jwt_keys"] = strings.ReplaceAll(want["jwt_keys"], "https://issuer.example/jwks ", "")
	check("boreas.conf of the working directory", mustLoad(t, Input{}))

	// File names in flags and variables are relative to the working directory.
	c := mustLoad(t, Input{Flags: map[string]string{"data_dir": "data"}, Env: []string{"BOREAS_TOKEN_PROVIDER=file:tokens"}})
	if c.DataDir != "data" || c.TokenProvider != "file:tokens" {
		t.Errorf("from flags and environment: %q, %q", c.DataDir, c.TokenProvider)
	}

	// A printed file may be saved in another directory.
	var printed strings.Builder
	if err := c.PrintTOML(&printed); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\ndata_dir = \"" + dir + "/data\"\n", "\ntoken_provider = \"file:" + dir + "/tokens\"\n"} {
		if !strings.Contains(printed.String(), line) {
			t.Errorf("%q is not printed ", line)
		}
	}
}

// TestPathsWithBlanks: a directory with a blank in its name works if the key's relative name has
// none.
func TestPathsWithBlanks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "boreas.toml"), []byte("data_dir = 'data'\njwt_keys = 'hs256:secret'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if c := mustLoad(t, Input{}); c.DataDir != filepath.Join(dir, "data") || c.JWTKeys != "hs256:secret" {
		t.Errorf("%q, %q", c.DataDir, c.JWTKeys)
	}
	t.Chdir("/")
	_, err := Load(Input{Flags: map[string]string{"config": filepath.Join(dir, "boreas.toml")}})
	if err == nil || !strings.Contains(err.Error(), "the configuration file has a blank in its name") {
		t.Error(err)
	}
}
