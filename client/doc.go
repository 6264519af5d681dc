// Package client is the Go client of a Boreas server.
//
// A program that receives messages, or publishes many, uses a [Conn]. A Conn keeps a WebSocket to
// the server, reconnects when the connection is lost, and resumes where it was.
//
//	c, err := client.Connect(client.ConnectOptions{Token: token})
//	defer c.Close()
//	chat, err := c.Subscribe(ctx, "chat", client.SubscribeOptions{Last: 10})
//	for event, err := range chat.Events(ctx) {
//		var gap *client.Gap
//		if errors.As(err, &gap) {
//			continue // messages are missing: fetch the state anew, then go on
//		}
//		if err != nil {
//			return err
//		}
//		if m, ok := event.(*client.Message); ok {
//			fmt.Println(m.Channel, string(m.Data), m.Position)
//		}
//	}
//
// Each message is delivered once and in order. If messages cannot be delivered, a [Gap] takes their
// place and contains the reason. To resume in another process, store the Position of the last
// message that you processed, and pass it as Since in [SubscribeOptions].
//
// A backend uses a [Client], which calls the server's HTTP API.
//
//	c, err := client.New(client.Options{})
//	token, err := c.NewToken(ctx)
//	ack, err := c.Publish(ctx, "chat", map[string]string{"text": "hello"}, client.PublishOptions{})
//
// # The classic wire
//
// [Subscriber] and [Client.Broadcast] speak the protocol of Boreas 1.0, for servers that have no
// other. It has no replies and no positions. The server does not report an invalid token or a
// refused join: the subscriber stays connected and receives nothing. After a reconnect the client
// cannot know which messages were published in between, so [Subscriber.Messages] yields a
// [Reconnected] to report the gap.
package client
