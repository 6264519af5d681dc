// Package load is the engine of `boreas bench`: it loads a Boreas server over its
// classic wire and measures what comes back.
//
//	Options      what to do; bounded in count and time
//	Run          connects, publishes, waits for the rest, reports
//	Report       the figures
//	publisher    one HTTP connection: sends, waits for the answer, sends again
//	subscriber   one WebSocket: finds the mark in each message, nothing else
//	mark         who sent a message, where, which and when; in the message itself
//	ledger       which messages of each publisher a subscriber has had
//	histogram    times, with an error of at most 1.6%
//
// A tool that is slower than the server measures itself. So a subscriber reads
// many frames at once into a buffer, finds the mark where it was in the frame
// before, and decodes no JSON; times are taken once a read. What it costs is in
// the report, with a warning when the processors were the limit.
package load
