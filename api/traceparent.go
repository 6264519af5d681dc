package api

import (
	"net/http"
	"strings"
)

// traceparentLength is the length of a traceparent of version 00.
const traceparentLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

// traceparent returns the trace that a request is a part of (W3C Trace Context), or "". An invalid
// header is ignored, as the standard demands: a mistake in tracing must not fail a publish.
func traceparent(h http.Header) string {
	if all := h["Traceparent"]; len(all) == 1 {
		return parseTraceparent(all[0])
	}
	return ""
}

// parseTraceparent returns a valid traceparent, or "". A later version may have more parts, which are
// left out. The rest is then told as version 00, because nothing else is known about it.
func parseTraceparent(text string) string {
	if len(text) < traceparentLength {
		return ""
	}
	version, rest := text[:2], text[traceparentLength:]
	if !isLowerHex(version) || version == "ff" || rest != "" && (version == "00" || rest[0] != '-') {
		return ""
	}
	parts := strings.Split(text[2:traceparentLength], "-") // of version: the empty text before the first dash
	if len(parts) != 4 || parts[0] != "" || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 {
		return ""
	}
	for i, part := range parts[1:] {
		if !isLowerHex(part) || i < 2 && strings.Trim(part, "0") == "" {
			return ""
		}
	}
	return "00" + text[2:traceparentLength]
}

func isLowerHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }
