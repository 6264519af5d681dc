// Package client is the Go client of a Boreas server's classic wire.
//
// A backend uses a [Client]: it makes tokens for its users and broadcasts
// messages over HTTP.
//
//	c, err := client.New(client.Options{})
//	token, err := c.NewToken(ctx)
//	err = c.Broadcast(ctx, "chat", map[string]string{"text": "hello"}, client.BroadcastOptions{})
//
// A program that wants messages uses a [Subscriber]: it keeps a WebSocket to the
// server, comes back when the connection is lost, and is ranged over.
//
//	s, err := client.NewSubscriber(client.SubscriberOptions{Token: token, Channels: []string{"chat"}})
//	for m, err := range s.Messages(ctx) {
//		if errors.Is(err, client.ErrMayHaveMissed) {
//			continue // a reconnect: fetch the state anew, then go on
//		}
//		if err != nil {
//			return err
//		}
//		fmt.Println(m.Channel, string(m.Data))
//	}
//
// # What the classic wire cannot say
//
// It has no answers and no positions. So the server never tells that a token was
// wrong or that a join was refused: such a subscriber stays connected and gets
// nothing. And after a reconnect nobody can tell which messages were published in
// between: [Subscriber.Messages] then yields a [Reconnected], so that the gap is
// never silent.
package client
