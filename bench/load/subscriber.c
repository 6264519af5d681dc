// A subscriber: upgrades, joins, and receives messages.
#include "load.h"

#include <string.h>
#include <sys/epoll.h>

// The sample key of RFC 6455, and the server's reply to it.
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void subscriber_open(struct load *l, unsigned index) {
    struct peer *p = &l->subscribers[index];
    p->role = SUBSCRIBER;
    p->index = index;
    p->state = CONNECTING;
    p->fd = wire_dial(port_for(&l->opt.ws, index), p->stalled);
    wire_watch(l, p, EPOLLOUT, true);
}

static void upgrade(struct load *l, struct peer *p) {
    char path[8192], out[9000];
    l->dialect->path(l, p->index, path, sizeof path);
    const char *header = l->dialect->events ? "Accept: text/event-stream\r\n"
                                            : "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                              "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n";
    const char *offer = l->opt.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "";
    int n = snprintf(out, sizeof out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n", path,
                     port_for(&l->opt.ws, p->index), header, offer);
    wire_send(p, out, (size_t)n);
    p->state = UPGRADING;
    wire_watch(l, p, EPOLLIN, false);
}

// accepted checks the reply to the upgrade. It returns its length, or 0 if it is incomplete.
static size_t accepted(struct load *l, struct peer *p, const uint8_t *bytes, size_t n) {
    int status = 0;
    ssize_t len = wire_head(bytes, n, &status);
    if (len == 0) return 0;
    if (len < 0 || status != (l->dialect->events ? 200 : 101))
        fail("subscriber %u was refused: %.*s", p->index, (int)(n < 300 ? n : 300), (const char *)bytes);
    if (l->dialect->events) {
        if (memmem(bytes, (size_t)len, "chunked", 7)) fail("a stream in chunks is not understood here");
        return (size_t)len;
    }
    if (!memmem(bytes, (size_t)len, ACCEPT, sizeof ACCEPT - 1))
        fail("subscriber %u: the upgrade's Sec-WebSocket-Accept is wrong: %.*s", p->index, (int)len,
             (const char *)bytes);
    if (l->opt.deflate && !memmem(bytes, (size_t)len, "permessage-deflate", 18))
        fail("subscriber %u: the server does not compress: %.*s", p->index, (int)len, (const char *)bytes);
    return (size_t)len;
}

// find_stamp first looks where the last stamp was, because a server's frames are alike. It searches
// only if the stamp is not there.
static const uint8_t *find_stamp(const uint8_t *p, size_t n, size_t *hint) {
    if (*hint + STAMP_MARK_LEN <= n && memcmp(p + *hint, STAMP_MARK, STAMP_MARK_LEN) == 0) return p + *hint;
    const uint8_t *found = memmem(p, n, STAMP_MARK, STAMP_MARK_LEN);
    if (found) *hint = (size_t)(found - p);
    return found;
}

// expected_tail returns what follows the stamp of a message.
static const char *expected_tail(struct load *l, const struct stamp *s) {
    return (l->opt.real ? real_message(l, s) : l->payload) + STAMP_MARK_LEN + STAMP_LEN;
}

static void deliver(struct load *l, struct peer *p, const uint8_t *letters, uint64_t now) {
    struct stamp s = stamp_read(letters);
    const char *tail = expected_tail(l, &s);
    // Stalled readers read the larger messages of fill much later, so do not compare theirs.
    if (!p->stalled && memcmp(letters + STAMP_LEN, tail, l->tail_len) != 0) l->corrupt++;
    if (l->ledger.counting[p->index]) ledger_count(&l->ledger, p->index);
    else ledger_note(&l->ledger, p->index, &s);
    if (l->recording && !p->stalled) histogram_add(&l->latency, now > s.at ? now - s.at : 0);
    l->last_delivery = now;
}

static void take_text(struct load *l, struct peer *p, const uint8_t *text, size_t n, uint64_t now) {
    size_t whole = STAMP_MARK_LEN + STAMP_LEN + l->tail_len;
    const uint8_t *end = text + n, *at = find_stamp(text, n, &l->hint_first);
    if (!at) {
        l->asides++;
        if (l->dialect->aside) l->dialect->aside(l, p, text, n);
        return;
    }
    l->text_bytes += n;
    while (at) {
        if ((size_t)(end - at) < whole) {
            l->corrupt++;
            return;
        }
        deliver(l, p, at + STAMP_MARK_LEN, now);
        at += whole;
        if (!l->dialect->batches_in_frame) return;
        at = find_stamp(at, (size_t)(end - at), &l->hint_next);
    }
}

// take_compressed handles a compressed message. Only messages that were published are compressed.
static void take_compressed(struct load *l, struct peer *p, const struct frame *f, uint64_t now) {
    size_t n = f->len;
    if (l->ledger.counting[p->index]) {
        ledger_count(&l->ledger, p->index);
        l->last_delivery = now;
        return;
    }
    const uint8_t *text = l->opt.deflate && f->opcode == OP_TEXT ? deflate_open(p, f->body, &n) : NULL;
    if (text) take_text(l, p, text, n, now);
    else l->malformed++;
}

static void take_frame(struct load *l, struct peer *p, const struct frame *f, uint64_t now) {
    if (f->compressed) {
        take_compressed(l, p, f, now);
        return;
    }
    switch (f->opcode) {
    case OP_TEXT: take_text(l, p, f->body, f->len, now); break;
    case OP_PING: wire_send_frame(p, OP_PONG, (const char *)f->body, f->len); break;
    case OP_PONG: break;
    case OP_CLOSE: wire_close(l, p); break;
    default: l->malformed++;
    }
}

static void take_frames(struct load *l, struct peer *p, const uint8_t *bytes, size_t n) {
    uint64_t now = now_ns();
    struct frame f;
    while (p->state == OPEN) {
        ssize_t len = wire_frame(bytes, n, &f);
        if (len < 0) {
            // A stalled reader cannot parse a cut frame: count it as missed.
            ++*(p->stalled ? &l->ledger.excused_skipped : &l->malformed);
            wire_close(l, p);
            return;
        }
        if (len == 0) break;
        take_frame(l, p, &f, now);
        bytes += len;
        n -= (size_t)len;
    }
    if (p->state == OPEN) wire_keep(p, bytes, n);
}

// event_end finds the empty line at the end of an event by its line breaks. memmem checks every
// byte for such a short text and would cost more than all the rest here.
static const uint8_t *event_end(const uint8_t *bytes, size_t n) {
    const uint8_t *stop = bytes + n;
    while ((bytes = memchr(bytes, '\n', (size_t)(stop - bytes)))) {
        if (stop - bytes < 2) return NULL;
        if (bytes[1] == '\n') return bytes;
        bytes++;
    }
    return NULL;
}

// take_events handles events. Each ends with an empty line.
static void take_events(struct load *l, struct peer *p, const uint8_t *bytes, size_t n) {
    uint64_t now = now_ns();
    const uint8_t *end;
    while ((end = event_end(bytes, n))) {
        size_t len = (size_t)(end - bytes);
        take_text(l, p, bytes, len, now);
        bytes += len + 2;
        n -= len + 2;
    }
    if (n > MAX_FRAME) fail("subscriber %u got an event of more than %u bytes", p->index, MAX_FRAME);
    wire_keep(p, bytes, n);
}

void subscriber_event(struct load *l, struct peer *p) {
    if (p->state == GONE) return;
    if (p->state == CONNECTING) {
        upgrade(l, p);
        return;
    }
    ssize_t n = wire_receive(l, p);
    if (n < 0) {
        if (p->state == UPGRADING) fail("subscriber %u was cut off in the upgrade", p->index);
        wire_close(l, p);
    }
    if (n <= 0) return;
    const uint8_t *bytes = l->inbox;
    if (p->state == UPGRADING) {
        size_t head = accepted(l, p, bytes, (size_t)n);
        if (head == 0) {
            wire_keep(p, bytes, (size_t)n);
            return;
        }
        p->state = OPEN;
        if (l->dialect->join) l->dialect->join(l, p);
        if (!l->dialect->confirms) l->joined++;
        bytes += head;
        n -= (ssize_t)head;
    }
    if (l->dialect->events)
        take_events(l, p, bytes, (size_t)n);
    else
        take_frames(l, p, bytes, (size_t)n);
}
