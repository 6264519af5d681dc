package tail

import "context"

// A Publisher is who publishes a message over HTTP. Fields that do not apply are empty.
type Publisher struct {
	Key   string // the ID of the API key
	Token string // the ID of the token
	User  string

	// Traceparent is the trace that the publish is a part of (W3C Trace Context).
	Traceparent string
}

type publisherKey struct{}

// WithPublisher returns a context for a publish. The event of the message says who the publisher is.
// It is needed only while somebody watches; see [Log.Watched].
func WithPublisher(ctx context.Context, p Publisher) context.Context {
	return context.WithValue(ctx, publisherKey{}, p)
}

// PublisherOf returns the publisher of a context, or the zero Publisher.
func PublisherOf(ctx context.Context) Publisher {
	p, _ := ctx.Value(publisherKey{}).(Publisher)
	return p
}
