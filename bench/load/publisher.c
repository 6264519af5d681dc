// A publisher: one HTTP connection, one request at a time.
#include "load.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REFUSALS_SHOWN 3

void publisher_open(struct load *l, unsigned index) {
    struct peer *p = &l->publishers[index];
    p->role = PUBLISHER;
    p->index = index;
    p->state = CONNECTING;
    p->fd = wire_dial(port_for(&l->opt.api, index), false);
    wire_watch(l, p, EPOLLOUT, true);
}

void payload_make(struct load *l, unsigned size) {
    static const char before_pad[] = "\",\"pad\":\"", after_pad[] = "\"}";
    char *at = l->payload;
    memset(at, 'x', size);
    memcpy(at, STAMP_MARK, STAMP_MARK_LEN);
    memcpy(at + STAMP_MARK_LEN + STAMP_LEN, before_pad, sizeof before_pad - 1);
    memcpy(at + size - (sizeof after_pad - 1), after_pad, sizeof after_pad - 1);
    at[size] = 0;
    l->tail_len = size - STAMP_MARK_LEN - STAMP_LEN;
}

void publisher_send(struct load *l, struct peer *p, unsigned channel, uint64_t at) {
    static char request[MAX_PAYLOAD + 512];
    struct stamp s = {
        .at = at,
        .number = ledger_publish(&l->ledger, channel, p->index),
        .channel = channel,
        .publisher = p->index,
    };
    if (l->opt.real) memcpy(l->payload, real_message(l, &s), l->opt.payload + 1);
    else stamp_write(l->payload + STAMP_MARK_LEN, &s);
    int n = l->dialect->request(channel, l->payload, request, sizeof request);
    p->sent_at = at;
    p->state = BUSY;
    l->published++;
    wire_send(p, request, (size_t)n);
}

void publisher_next(struct load *l, struct peer *p, uint64_t at) {
    publisher_send(l, p, (unsigned)(l->turn++ % l->opt.channels), at);
}

// reopen replaces a connection that the server closed while it was idle, as servers may. Closing it
// during a request is a fault.
static void reopen(struct load *l, struct peer *p) {
    if (p->state == BUSY) fail("the server closed publisher %u's connection without an answer", p->index);
    close(p->fd);
    l->connected--;
    publisher_open(l, p->index);
}

static void refused(struct load *l, const uint8_t *answer, ssize_t n) {
    if (l->refused++ < REFUSALS_SHOWN)
        fprintf(stderr, "a publish was refused: %.*s\n", (int)(n < 300 ? n : 300), (const char *)answer);
}

void publisher_event(struct load *l, struct peer *p) {
    if (p->state == GONE) return;
    if (p->state == CONNECTING) {
        p->state = OPEN;
        l->connected++;
        wire_watch(l, p, EPOLLIN, false);
        return;
    }
    ssize_t n = wire_receive(l, p);
    if (n < 0) {
        reopen(l, p);
        return;
    }
    if (n == 0) return;
    int status = 0;
    ssize_t len = wire_answer(l->inbox, (size_t)n, &status);
    if (len == 0) {
        wire_keep(p, l->inbox, (size_t)n);
        return;
    }
    if (len != n || p->state != BUSY)
        fail("publisher %u got an answer that is not HTTP, or more than one: %.*s", p->index,
             (int)(n < 300 ? n : 300), (const char *)l->inbox);
    if (status < 200 || status > 299) refused(l, l->inbox, n);
    p->state = OPEN;
    l->last_answer = now_ns();
    if (l->recording && l->opt.answers) histogram_add(&l->latency, l->last_answer - p->sent_at);
    if (l->publishing) publisher_next(l, p, l->last_answer);
}
