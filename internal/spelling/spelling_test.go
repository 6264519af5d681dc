package spelling

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"api_host", "api_port", "ws_host", "ws_port", "debug", "history_messages", "history_memory", "require_auth"}
	for given, want := range map[string]string{
		"api_prt": "api_port", "API-PORT": "api_port", "wsport": "ws_port", "pai_port": "api_port", "degub": "debug",
		"history_mesages": "history_messages", "requireauth": "require_auth", "x": "", "password": "", "": "",
	} {
		if got := Nearest(given, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"port", "port", 0}, {"prot", "port", 1}, {"prt", "port", 1}, {"porrt", "port", 1}, {"part", "port", 1}, {"", "port", 4},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestSlip(t *testing.T) {
	names := []string{"channel", "last", "presence", "last_event_id"}
	for name, want := range map[string]string{
		"lsat": "last", "lats": "last", "las": "last", "lasst": "last", "Last": "last", "chanel": "channel", "channels": "channel",
		"presense": "presence", "presences": "presence", "last-event-id": "last_event_id", "lastEventId": "last_event_id",
		"test": "", "lang": "", "list": "last", "t": "", "_": "", "since": "", "utm_source": "", "last": "", "": "",
	} {
		if got := Slip(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
