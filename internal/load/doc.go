// Package load is the engine of `boreas bench`. It puts a load on a Boreas server over the classic
// protocol and measures the deliveries.
//
//	Options      the load, with limits on numbers and time
//	Run          connects, publishes, waits for the last messages, reports
//	Report       the figures
//	publisher    one HTTP connection: sends, waits for the reply, sends again
//	subscriber   one WebSocket: finds the mark in each message, nothing else
//	mark         publisher, channel, number and time of a message; part of the message itself
//	ledger       which messages of each publisher a subscriber has received
//	histogram    times, with an error of at most 1.6%
//
// A tool that is slower than the server would measure itself. So a subscriber reads many frames at
// once into a buffer, looks for the mark at its place in the previous frame, decodes no JSON, and
// takes the time once per read. The report has the processor time of the tool, and a warning if the
// processors were the limit.
package load
