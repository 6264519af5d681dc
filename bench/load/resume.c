// The run in which all subscribers reconnect at once: each session sends its last position and
// receives the messages that it has missed since.
//
// The floor has no positions. It sends as many messages of the same size to as many connections,
// once with one send per message, and once with one send per connection.
#include "load.h"


#define PATIENCE_MS 3000 // without a delivery, after which the rest counts as lost
#define JOINS_AT_ONCE 32 // joins before the next check for arrivals

static double seconds_since(uint64_t at) { return (double)(now_ns() - at) / NS_PER_S; }

// await_all returns the time of the last delivery, in seconds after start.
static double await_all(struct load *l, uint64_t start) {
    while (ledger_outstanding(&l->ledger) && now_ns() - l->last_delivery < PATIENCE_MS * NS_PER_MS) pump(l, 10);
    double s = (double)(l->last_delivery - start) / NS_PER_S;
    pump_for(l, 100); // time for a repeated message to arrive
    return s;
}

// publish publishes messages one after the other, and handles arrivals meanwhile.
static void publish(struct load *l, unsigned messages) {
    for (unsigned i = 0; i < messages; i++) publisher_next(l, ready(l, 0), now_ns());
    ready(l, 0);
}

static double connect_timed(struct load *l) {
    uint64_t start = now_ns();
    connect_subscribers(l);
    return seconds_since(start);
}

// leave_position lets one subscriber join, store its position, and leave. Then it publishes the
// messages that everybody will have missed.
static void leave_position(struct load *l) {
    connect_publishers(l);
    subscriber_open(l, 0);
    while (!l->joined) pump(l, 10);
    wire_close(l, &l->subscribers[0]);
    l->closed = l->joined = 0;
    publish(l, l->opt.missed);
}

// begin resets the counters before the measurement and returns its start.
static uint64_t begin(struct load *l) {
    l->text_bytes = 0;
    return l->last_delivery = now_ns();
}

// pause_for_restart closes the publishers, reports that everything is published, and waits until the
// server is there again, as the process whose number is on stdin.
static void pause_for_restart(struct load *l) {
    for (unsigned i = 0; i < l->opt.publishers; i++) wire_close(l, &l->publishers[i]);
    l->closed = 0;
    printf("{\"paused\":true}\n");
    fflush(stdout);
    if (scanf("%d", &l->opt.pid) != 1) fail("--pause: the number of the server's process is expected on stdin");
}

// lose_node lets all subscribers join and leave. Meanwhile a node is killed, and it is not used any
// more. Then the missed messages are published, which may have to wait for an election.
static void lose_node(struct load *l) {
    connect_subscribers(l);
    printf("{\"paused\":true}\n");
    fflush(stdout);
    if (scanf("%d", &l->opt.pid) != 1) fail("--lose: the number of the server's process is expected on stdin");
    for (unsigned i = 0; i < l->opt.subscribers; i++) wire_close(l, &l->subscribers[i]);
    l->closed = l->joined = 0;
    l->opt.ws.n--;
    if (l->opt.api.n > l->opt.ws.n) l->opt.api.n = l->opt.ws.n;
    connect_publishers(l);
    publish(l, l->opt.missed);
}

static struct returning with_positions(struct load *l, struct joining *j) {
    struct returning r = {0};
    if (l->opt.lose) {
        lose_node(l);
    } else {
        leave_position(l);
        if (l->opt.pause) pause_for_restart(l);
    }
    ledger_replay(&l->ledger);
    l->returning = true;
    r.connect_s = connect_timed(l);
    pump_for(l, l->opt.settle_ms);
    j->after = usage_of_server(l->opt.pid);

    uint64_t start = begin(l);
    for (unsigned i = 0; i < l->opt.subscribers; i++) {
        v2_resume(l, &l->subscribers[i]);
        if (i % JOINS_AT_ONCE == 0) pump(l, 0);
    }
    r.resume_s = r.once_s = await_all(l, start);
    return r;
}

static struct returning without_positions(struct load *l, struct joining *j) {
    struct returning r = {0};
    connect_publishers(l);
    r.connect_s = connect_timed(l);
    pump_for(l, l->opt.settle_ms);
    j->rounds = join_all(l);
    j->after = usage_of_server(l->opt.pid);
    ledger_start(&l->ledger);

    uint64_t start = begin(l);
    publish(l, l->opt.missed);
    r.resume_s = await_all(l, start);
    return r;
}

// send_once publishes one message with as many bytes as all missed messages and their frames.
static double send_once(struct load *l) {
    enum { HEADER = 4 }; // of a frame of that length
    unsigned bytes = l->opt.missed * (l->opt.payload + HEADER) - HEADER;
    if (bytes > MAX_PAYLOAD) fail("--missed %u of --payload %u is more than %u bytes", l->opt.missed, l->opt.payload, MAX_PAYLOAD);
    payload_make(l, bytes);
    uint64_t start = begin(l);
    publish(l, 1);
    return await_all(l, start);
}

struct returning resume_all(struct load *l, struct joining *j) {
    struct returning r = l->dialect->confirms ? with_positions(l, j) : without_positions(l, j);
    r.cpu_s = usage_of_server(l->opt.pid).cpu_s - j->after.cpu_s;
    r.text_bytes = l->ledger.delivered ? (double)l->text_bytes / (double)l->ledger.delivered : 0;
    if (!l->dialect->confirms) r.once_s = send_once(l);
    j->seconds = r.connect_s;
    return r;
}
