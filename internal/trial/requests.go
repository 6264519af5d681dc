package trial

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// requestLimit is the time limit of one request of a publisher, for stalled connections.
const requestLimit = time.Second

// requests sends HTTP requests.
type requests struct{ http *http.Client }

func newRequests() requests {
	return requests{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
}

func (r requests) close() { r.http.CloseIdleConnections() }

// send sends a request and returns status and body.
func (r requests) send(ctx context.Context, method, url string, header http.Header, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if header != nil {
		request.Header = header
	}
	response, err := r.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// sendWithin is send with the time limit requestLimit.
func (r requests) sendWithin(ctx context.Context, method, url string, header http.Header, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	return r.send(ctx, method, url, header, body)
}
