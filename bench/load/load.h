// The load generator's common header.
//
//   load.c        the phases of a run, and its result
//   paced.c       the run in which one message is published at a time
//   resume.c      the run in which all come back at once
//   options.c     the command line
//   dialect.c     how each server is joined and published to
//   deflate.c     compressed messages
//   real.c        messages as applications publish them
//   v2.c          what protocol 2 says and is told
//   wire.c        sockets and websocket frames
//   subscriber.c  one that joins channels and takes what arrives
//   publisher.c   one that posts and waits for the answer
//   ledger.c      stamps, and who has seen which: loss, repeats, order
//   report.c      the result, as JSON
//   measure.c     clock, latency histogram, the server's CPU and memory
//
// One thread, one epoll. Nothing here is safe for more.
#ifndef LOAD_H
#define LOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE // memmem
#endif

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

// Limits of this program, far above the needs of the benchmark's shapes.
#define MAX_PAYLOAD 32768u
#define MAX_FRAME (256u << 10) // the longest accepted frame from a server
#define MAX_REQUEST (64u << 10)
#define MAX_NODES 8 // of a cluster
#define MIN_REAL 280u // bytes of a message with opt.real
#define MAX_REAL 2048u

// ports are the ports of one server, or of the nodes of a cluster, which connections use in turn.
struct ports {
    unsigned n;
    int at[MAX_NODES];
};

struct options {
    const char *dialect;
    struct ports ws, api;
    unsigned subscribers;
    unsigned channels;   // numbered from 0
    unsigned joins;      // channels per subscriber
    unsigned stalled;    // subscribers that stop reading after they have joined
    unsigned publishers; // each waits for its answer before its next request
    double rate;         // publishes per second by all publishers together; 0 = closed loop
    double warmup, seconds;
    unsigned fill;       // bytes that each connection carries before measuring
    unsigned payload;    // bytes of one message's JSON
    unsigned settle_ms;  // quiet time between the last join and the measurement of the server
    unsigned limit_s;    // limit for the whole run, in seconds
    int pid;             // the server, for CPU and memory; 0 = not measured
    bool paced;          // publish one message for each line on stdin
    unsigned missed;     // all reconnect at once, and each has missed this many messages
    bool pause;          // with missed: wait for a line on stdin before all reconnect
    bool lose;           // with pause: the last node is lost meanwhile, and all sessions were connected before
    bool answers;        // only publish, and measure the time until the answer
    bool deflate;        // offer permessage-deflate, and require it
    const char *real;    // messages are "orders" or "chat"; NULL = a pad of one letter
    const char *tokens;  // file of access tokens, one per line; subscribers take turns
};

void options_parse(struct options *o, int argc, char **argv);
int port_for(const struct ports *p, unsigned connection); // the port of the connection with this number

// fail prints an error with advice, and exits with status 1.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// --- measure.c ---

uint64_t now_ns(void); // monotonic

// Latencies in buckets: 32 for each power of two, so a figure has an error of up to 3%.
#define HISTOGRAM_STEPS 32
struct histogram {
    uint64_t bucket[64 * HISTOGRAM_STEPS];
    uint64_t count, max;
};
void histogram_add(struct histogram *h, uint64_t ns);
double histogram_ms(const struct histogram *h, double quantile);

struct usage {
    double cpu_s;
    long rss_kib;
};
struct usage usage_of_server(int pid); // including its child processes
double usage_own_cpu(void);

// --- ledger.c ---

// A stamp says when, where and by whom a message was published. It is part of the payload, as
// letters of fixed width, so reading it back is cheap.
struct stamp {
    uint64_t at;      // ns, monotonic
    uint32_t number;  // counts from 0 per channel and publisher
    uint32_t channel;
    uint32_t publisher;
};

#define STAMP_MARK "{\"stamp\":\""
#define STAMP_MARK_LEN (sizeof STAMP_MARK - 1)
#define POSITION_LEN 64u // the maximum in protocol 2
#define STAMP_LEN 40u // 16 letters for the time, 8 each for number, channel and publisher

void stamp_write(char *dst, const struct stamp *s);
struct stamp stamp_read(const uint8_t *letters);

// The ledger records the published messages and the deliveries to each subscription. A subscription
// is one subscriber's membership in one channel.
struct ledger {
    unsigned subscribers, channels, joins, publishers;
    unsigned stride;       // the distance between a subscriber's channels
    int32_t *slot_of;      // distance of a channel from a subscriber's first -> index of the join, or -1
    uint32_t *sent;        // [channel][publisher]: next number
    uint32_t *expected;    // [subscription][publisher]: next number, or UNSEEN
    uint64_t *order;       // [subscription]: hash of all deliveries, in order
    uint32_t *awaited;     // [channel]: subscriptions without a delivery so far
    bool *excused;         // [subscriber]: stalled, so it is not checked
    bool *counting;        // [subscriber]: it only counts the messages of its only channel
    uint64_t *counted;     // [subscriber]: since ledger_start
    uint64_t *sent_since;  // [channel]: messages since ledger_start
    uint32_t *members;     // [channel]: subscriptions that are checked
    uint64_t unseen;       // subscriptions without a delivery so far
    uint64_t due;          // expected deliveries since ledger_start
    uint64_t delivered, skipped, repeated, stray;
    uint64_t excused_skipped; // numbers that stalled subscribers missed while their connection lived
};

void ledger_init(struct ledger *g, const struct options *o);
unsigned ledger_channel(const struct ledger *g, unsigned subscriber, unsigned join);
void ledger_excuse(struct ledger *g, unsigned subscriber);
void ledger_count_only(struct ledger *g, unsigned subscriber);
void ledger_count(struct ledger *g, unsigned subscriber); // it has received a message, whose stamp is not known
void ledger_start(struct ledger *g); // all have joined and are idle: count from here
void ledger_replay(struct ledger *g); // the same, but everybody will receive all published messages again
uint32_t ledger_publish(struct ledger *g, unsigned channel, unsigned publisher); // returns the number to use
void ledger_note(struct ledger *g, unsigned subscriber, const struct stamp *s);
uint64_t ledger_tail(const struct ledger *g, unsigned subscriber); // published after its last delivery
uint64_t ledger_missing(const struct ledger *g);    // skipped or never received
uint64_t ledger_repeated(const struct ledger *g);
uint64_t ledger_disordered(const struct ledger *g); // saw another order than the channel's other subscriptions
uint64_t ledger_outstanding(const struct ledger *g); // published but not delivered yet

// --- peers ---

enum role { SUBSCRIBER, PUBLISHER, CONTROL };
enum state { CONNECTING, UPGRADING, OPEN, BUSY, GONE };

// A peer is one connection to the server.
struct peer {
    enum role role;
    enum state state;
    int fd;
    unsigned index;    // among the peers of the same role
    bool stalled;
    uint8_t *rest;     // the part of a frame or answer that has arrived so far
    uint32_t rest_len, rest_cap;
    void *inflater;    // see deflate.c; NULL until needed
    uint64_t sent_at;  // when a publisher sent its pending request
};

struct load;

// A dialect is the protocol of one kind of server.
struct dialect {
    const char *name;
    bool batches_in_frame; // a frame may contain several messages
    bool events;           // it sends server-sent events instead of frames
    bool confirms;         // an aside confirms that a subscriber has joined

    // Each function writes to dst and returns the length; cap always suffices.
    int (*path)(struct load *l, unsigned subscriber, char *dst, size_t cap);
    void (*join)(struct load *l, struct peer *p); // may be NULL
    int (*request)(unsigned channel, const char *payload, char *dst, size_t cap);
    // Handles what the server sends besides messages; NULL if nothing is expected. It counts joined
    // subscribers if the dialect confirms joins.
    void (*aside)(struct load *l, struct peer *p, const uint8_t *text, size_t n);
};

const struct dialect *dialect_named(const char *name);

struct load {
    struct options opt;
    const struct dialect *dialect;
    struct ledger ledger;
    struct histogram latency;
    struct peer *subscribers, *publishers;
    struct peer control;
    char **tokens;
    unsigned token_count;

    int epoll;
    uint8_t *inbox;         // buffer for every recv
    unsigned joined;        // subscribers that have sent their joins
    unsigned connected;     // publishers
    bool publishing;        // closed loop: publish again after each answer
    bool recording;         // record latencies
    bool control_ready;     // stdin has a line or has ended
    uint64_t turn;          // the next channel
    uint64_t last_delivery; // ns
    uint64_t last_answer;   // ns

    size_t hint_first, hint_next; // where the last frame's stamps were
    char payload[MAX_PAYLOAD + 1];
    size_t tail_len;        // bytes of the payload after its stamp

    char since[POSITION_LEN + 1]; // the position from which reconnecting subscribers resume
    bool returning;               // subscribers authenticate, then wait for the command to join

    uint64_t bytes, stalled_bytes, text_bytes, published, refused, closed, stalled_closed, corrupt, malformed, asides;
};

// --- report.c ---

// A window is the state of a run at one moment, or the difference between two moments.
struct window {
    double seconds, load_cpu_s;
    uint64_t delivered, published, bytes;
    struct usage server;
};
struct window window_now(const struct load *l);
struct window window_between(struct window a, struct window b);

struct joining {
    double seconds;              // to connect and send the joins
    struct usage before, after;  // of the server
    unsigned rounds;             // rounds of probes until every join was in force
};

// returning contains the times when all subscribers reconnect at once; 0 if not measured.
struct returning {
    double connect_s; // to connect and authenticate all subscribers
    double resume_s;  // from the first join until everybody has everything
    double once_s;    // the same bytes with one send per connection
    double cpu_s;     // of the server, during resume_s
    double text_bytes; // of one message, in its frame or event
};
void report(const struct load *l, const struct joining *j, const struct window *w, const struct returning *r);

// --- load.c, paced.c, resume.c ---

void pump(struct load *l, int wait_ms); // waits up to wait_ms for events, and handles them
void pump_for(struct load *l, uint64_t ms);
void connect_publishers(struct load *l);
void connect_subscribers(struct load *l);
unsigned join_all(struct load *l); // returns the number of rounds of probes
struct peer *ready(struct load *l, unsigned publisher); // waits until it can publish its next message
void paced(struct load *l);
struct returning resume_all(struct load *l, struct joining *j);

// --- v2.c ---

int v2_path(struct load *l, unsigned subscriber, char *dst, size_t cap);
void v2_aside(struct load *l, struct peer *p, const uint8_t *text, size_t n);
void v2_resume(struct load *l, struct peer *p); // joins from l->since
int events_path(struct load *l, unsigned subscriber, char *dst, size_t cap);
void events_aside(struct load *l, struct peer *p, const uint8_t *text, size_t n);

// text is a string with a limited size, for appending.
struct text {
    char *at;
    size_t len, cap;
};
void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

// --- wire.c ---

int wire_dial(int port, bool small_buffer);
void wire_watch(struct load *l, struct peer *p, uint32_t events, bool add);
void wire_send(struct peer *p, const void *bytes, size_t n);
void wire_send_frame(struct peer *p, int opcode, const char *text, size_t n);

// wire_receive reads p's bytes into the inbox, after the kept rest. It returns the number of bytes
// in the inbox; 0 = nothing new; -1 = closed.
ssize_t wire_receive(struct load *l, struct peer *p);
void wire_keep(struct peer *p, const uint8_t *bytes, size_t n);
void wire_close(struct load *l, struct peer *p);

enum opcode { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
struct frame {
    int opcode;
    bool compressed;
    const uint8_t *body;
    size_t len;
};

// wire_frame parses one frame at the front of the n bytes at p and returns its whole length; 0 =
// incomplete; -1 = invalid from a server.
ssize_t wire_frame(const uint8_t *p, size_t n, struct frame *f);

// wire_head parses the head of an HTTP response. It returns its length; 0 = incomplete; -1 = not
// HTTP.
ssize_t wire_head(const uint8_t *p, size_t n, int *status);

// wire_answer parses an HTTP response. It returns its length; 0 = incomplete; -1 = not HTTP.
ssize_t wire_answer(const uint8_t *p, size_t n, int *status);

// --- deflate.c ---

bool deflate_sampled(const struct load *l, unsigned subscriber); // it decompresses its messages

// deflate_open decompresses a message. It returns its text until the next call, with its length in
// n; NULL = invalid.
const uint8_t *deflate_open(struct peer *p, const uint8_t *body, size_t *n);
void deflate_close(struct peer *p);

// --- real.c ---

const char *real_message(struct load *l, const struct stamp *s); // of opt.payload bytes, until a later call

// --- subscriber.c, publisher.c ---

void subscriber_open(struct load *l, unsigned index);
void subscriber_event(struct load *l, struct peer *p);
void publisher_open(struct load *l, unsigned index);
void publisher_event(struct load *l, struct peer *p);
void payload_make(struct load *l, unsigned size); // creates the publishers' message
void publisher_send(struct load *l, struct peer *p, unsigned channel, uint64_t at);
void publisher_next(struct load *l, struct peer *p, uint64_t at); // publishes to the next channel in turn

#endif
