package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// redirects answers the next requests with a redirect, the given number of times.
func (f *fake) redirects(to string, times int) {
	for range times {
		f.refuse <- func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
}

// A handshake does not follow redirects, because the token would be sent to another server.
func TestHandshakesFollowNoRedirect(t *testing.T) {
	const want = "connect: the server answered 302 Found: it redirects to http://other, and the client does not follow redirects: use that URL if it is correct"
	for _, to := range []string{"http://other/v2?access_token=secret", "http://me:secret@other/v2"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.redirects(to, 1)
			_, states := f.conn(ConnectOptions{Token: "secret"})
			states.want(t, "connecting 1", "ended: "+want)
			if len(f.accepted) > 0 {
				t.Error("the other host was asked")
			}
		})
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.redirects(to, 1)
			for _, err := range f.subscriber(SubscriberOptions{Token: "secret"}).Messages(t.Context()) {
				if err == nil || err.Error() != want {
					t.Errorf("%v\nwant %s", err, want)
				}
			}
			if len(f.accepted) > 0 {
				t.Error("the other host was asked")
			}
		})
	}
}

// The API key and tokens are sent only to the host of the URL, whatever http.Client is used.
func TestCallsFollowNoRedirect(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	for status, to := range map[int]string{301: other.URL, 307: other.URL, 308: "https://other/v2?x=secret"} {
		first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }))
		defer first.Close()
		followed := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
		for _, own := range []*http.Client{nil, {}, followed} {
			c, err := New(Options{API: first.URL, Key: "bk_secret", HTTP: own})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Publish(t.Context(), "a", 1, PublishOptions{})
			if err == nil || !strings.Contains(err.Error(), "it redirects to "+to[:8]) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%d: %v", status, err)
			}
			if err := c.DeleteToken(t.Context(), "secret"); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%d: %v", status, err)
			}
			c.Close()
		}
	}
	if asked > 0 {
		t.Errorf("the other host was asked %d times", asked)
	}
}

// The user and the password in the URL are sent only to that server.
func TestTheURLsPasswordIsShownToTheServer(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
		fmt.Fprint(w, `{"position":"p1"}`)
	}))
	defer server.Close()
	for _, key := range []string{"", "bk_key"} {
		c, err := New(Options{API: strings.Replace(server.URL, "://", "://me:secret@", 1), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Publish(t.Context(), "a", 1, PublishOptions{}); err != nil {
			t.Error(err)
		}
		if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, "secret") || strings.Contains(text, "bk_key") {
			t.Errorf("printed: %s", text)
		}
	}
	if fmt.Sprint(got) != "[Basic bWU6c2VjcmV0 Bearer bk_key]" {
		t.Errorf("shown: %q", got)
	}
}

func TestErrorsDoNotRepeatInvalidURLs(t *testing.T) {
	for _, text := range []string{
		"http://me:secret@h:x", "http://me:se%cret@h", "http://me:secret/@h", "http://me:secret#@h", "http:\x7f//me:secret@h",
		"://me:secret@h", "http://me:secret@", "http://h/?access_token=secret%zz", "ftp://h/?access_token=secret", "http://h:x?access_token=secret",
		"me:secret@h:8001", "http://h/#secret",
	} {
		_, api := New(Options{API: text})
		ws := strings.Replace(text, "http", "ws", 1)
		c, conn := Connect(ConnectOptions{URL: ws})
		if conn == nil {
			c.Close()
		}
		_, classic := NewSubscriber(SubscriberOptions{URL: ws})
		for _, err := range []error{api, conn, classic} {
			if err != nil && strings.Contains(err.Error(), "ecret") {
				t.Errorf("%q: %v", text, err)
			}
		}
		if api == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// Printing a client, or a value that contains it, does not print its secrets.
func TestClientsPrintNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := ConnectOptions{URL: "ws://me:secret@fake/v2?access_token=secret", Token: "secret", HTTP: f.http}
		c, err := Connect(o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"secret"}}`)
		p.send(`{"id":1,"error":{"code":"invalid_token","message":"No.","retry":"new_token"}}`)
		synctest.Wait()
		s, err := NewSubscriber(SubscriberOptions{URL: o.URL, Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		for _, it := range []any{c, s, c.Err()} {
			if text := fmt.Sprintf("%v %+v %#v", it, it, it); strings.Contains(text, "secret") {
				t.Errorf("printed: %s", text)
			}
		}
	})
}
