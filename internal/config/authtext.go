package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const jwtKeysForm = "hs256:FILE, hs384:FILE, hs512:FILE, file:FILE or https://URL, several with spaces between them"

// checkJWTKeys checks only the form of each key; package auth reads the keys.
func checkJWTKeys(list string) error {
	for key := range strings.FieldsFuncSeq(list, isListSpace) {
		kind, rest, _ := strings.Cut(key, ":")
		switch kind {
		case "hs256", "hs384", "hs512", "file":
			if rest == "" {
				return fmt.Errorf("after %s: the file's name is missing", kind)
			}
		case "http", "https":
			if err := checkHTTP(key); err != nil {
				return err
			}
		default:
			// not repeated in the error, because it may be a secret that was put here by mistake
			return errors.New("an entry has none of these forms; put a secret into a file, not here")
		}
	}
	return nil
}

// checkHTTP checks a URL. Its errors do not repeat the URL, which may contain a password.
func checkHTTP(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the URL cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL does not begin with http:// or https://")
	case u.Host == "":
		return errors.New("the URL has no host")
	}
	return nil
}

// checkHeaders checks a list of header names (RFC 9110, section 5.1).
func checkHeaders(list string) error {
	for name := range strings.FieldsFuncSeq(list, isListSeparator) {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q is not the name of a header", name)
		}
	}
	return nil
}

// checkName checks the name of a cookie or claim.
func checkName(name string) error {
	if name != "" && !httpguts.ValidHeaderFieldName(name) {
		return errors.New("a name has letters, digits, dots and dashes")
	}
	return nil
}
