// The run in which all come back at once: each session gives the position that it had,
// and gets what it has missed since.
//
// The floor knows no positions. It sends as many messages of the same size to as many
// connections, once with one send for each message, and once with one for each connection.
#include "load.h"


#define PATIENCE_MS 3000 // without a delivery, before the rest counts as lost
#define JOINS_AT_ONCE 32 // between two looks at what has arrived

static double seconds_since(uint64_t at) { return (double)(now_ns() - at) / NS_PER_S; }

// await_all returns how many seconds after start the last delivery came.
static double await_all(struct load *l, uint64_t start) {
    while (ledger_outstanding(&l->ledger) && now_ns() - l->last_delivery < PATIENCE_MS * NS_PER_MS) pump(l, 10);
    double s = (double)(l->last_delivery - start) / NS_PER_S;
    pump_for(l, 100); // a repeat would come now
    return s;
}

// publish publishes one after the other. What arrives meanwhile is dealt with.
static void publish(struct load *l, unsigned messages) {
    for (unsigned i = 0; i < messages; i++) publisher_next(l, ready(l, 0), now_ns());
    ready(l, 0);
}

static double connect_timed(struct load *l) {
    uint64_t start = now_ns();
    connect_subscribers(l);
    return seconds_since(start);
}

// leave_position lets one subscriber join, keep its position, and go; and publishes
// what everybody will have missed.
static void leave_position(struct load *l) {
    connect_publishers(l);
    subscriber_open(l, 0);
    while (!l->joined) pump(l, 10);
    wire_close(l, &l->subscribers[0]);
    l->closed = l->joined = 0;
    publish(l, l->opt.missed);
}

// begin forgets what was counted before the figure, and returns its beginning.
static uint64_t begin(struct load *l) {
    l->text_bytes = 0;
    return l->last_delivery = now_ns();
}

static struct returning with_positions(struct load *l, struct joining *j) {
    struct returning r = {0};
    leave_position(l);
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

// send_once publishes one message with as many bytes as all the missed and their frames.
static double send_once(struct load *l) {
    enum { HEADER = 4 }; // of a frame that long
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
