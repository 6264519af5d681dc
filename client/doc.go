// Package client is the Go client of a Boreas server.
//
// A program that wants messages, or that publishes many, uses a [Conn]: it keeps a
// WebSocket to the server, comes back when the connection is lost, and goes on where
// it was.
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
// Each message comes once and in order, or a [Gap] stands in its place and says why.
// Who keeps the Position of the last message that was dealt with can go on from
// there in another process: see [SubscribeOptions].
//
// A backend uses a [Client]: it talks HTTP with the server's API.
//
//	c, err := client.New(client.Options{})
//	token, err := c.NewToken(ctx)
//	ack, err := c.Publish(ctx, "chat", map[string]string{"text": "hello"}, client.PublishOptions{})
//
// # The classic wire
//
// [Subscriber] and [Client.Broadcast] speak the wire of Boreas 1.0, for servers that
// have no other. It has no answers and no positions: the server never tells that a
// token was wrong or that a join was refused, such a subscriber stays connected and
// gets nothing. And after a reconnect nobody can tell which messages were published in
// between: [Subscriber.Messages] then yields a [Reconnected], so that the gap is
// never silent.
package client
