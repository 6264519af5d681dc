// Protocol 2 (docs/protocol.md) for a subscriber, over a WebSocket and as server-sent events. It
// ignores gaps, because the ledger sees which messages are missing.
#include "load.h"

#include <string.h>

static bool has(const uint8_t *text, size_t n, const char *part) { return memmem(text, n, part, strlen(part)); }

static void refuse(struct peer *p, const uint8_t *text, size_t n) {
    fail("the server refused subscriber %u: %.*s", p->index, (int)(n < 300 ? n : 300), (const char *)text);
}

// --- over a WebSocket ---

int v2_path(struct load *l, unsigned subscriber, char *dst, size_t cap) {
    (void)l, (void)subscriber;
    return snprintf(dst, cap, "/v2");
}

static void authenticate(struct load *l, struct peer *p) {
    char out[1024];
    struct text t = {out, 0, sizeof out};
    add(&t, "{\"id\":1,\"auth\":{\"token\":\"%s\"}}", l->token_count ? l->tokens[p->index % l->token_count] : "");
    wire_send_frame(p, OP_TEXT, out, t.len);
}

static void join(struct load *l, struct peer *p) {
    static char out[MAX_REQUEST];
    struct text t = {out, 0, sizeof out};
    add(&t, "{\"id\":2,\"join\":{\"channels\":[");
    for (unsigned j = 0; j < l->opt.joins; j++)
        add(&t, "%s{\"channel\":\"room-%u\"}", j ? "," : "", ledger_channel(&l->ledger, p->index, j));
    add(&t, "]}}");
    wire_send_frame(p, OP_TEXT, out, t.len);
}

void v2_resume(struct load *l, struct peer *p) {
    char out[256];
    struct text t = {out, 0, sizeof out};
    add(&t, "{\"id\":2,\"join\":{\"channels\":[{\"channel\":\"room-0\",\"since\":\"%s\"}]}}", l->since);
    wire_send_frame(p, OP_TEXT, out, t.len);
}

// keep_position stores the position of a join's result for reconnecting subscribers.
static void keep_position(struct load *l, const uint8_t *text, size_t n) {
    static const char name[] = "\"position\":\"";
    const uint8_t *at = memmem(text, n, name, sizeof name - 1);
    if (!at) fail("a join was answered without a position: %.*s", (int)n, (const char *)text);
    at += sizeof name - 1;
    const uint8_t *end = memchr(at, '"', (size_t)(text + n - at));
    if (!end || end - at > (ptrdiff_t)POSITION_LEN) fail("this has no position: %.*s", (int)n, (const char *)text);
    memcpy(l->since, at, (size_t)(end - at));
    l->since[end - at] = 0;
}

void v2_aside(struct load *l, struct peer *p, const uint8_t *text, size_t n) {
    if (has(text, n, "\"error\":") || has(text, n, "\"recovered\":false")) refuse(p, text, n);
    if (has(text, n, "\"hello\":")) {
        authenticate(l, p);
        if (!l->returning) join(l, p); // do not wait: the server handles requests in order
    } else if (has(text, n, l->returning ? "\"auth\":" : "\"join\":")) {
        l->joined++;
        if (l->opt.missed && !l->returning) keep_position(l, text, n);
    }
}

// --- server-sent events: the request contains everything ---

int events_path(struct load *l, unsigned subscriber, char *dst, size_t cap) {
    struct text t = {dst, 0, cap};
    add(&t, "/v2/events?access_token=%s", l->token_count ? l->tokens[subscriber % l->token_count] : "");
    for (unsigned j = 0; j < l->opt.joins; j++)
        add(&t, "&channel=room-%u", ledger_channel(&l->ledger, subscriber, j));
    return (int)t.len;
}

void events_aside(struct load *l, struct peer *p, const uint8_t *text, size_t n) {
    if (has(text, n, "\"error\":")) refuse(p, text, n); // of a join, or a goodbye
    if (has(text, n, "event: join")) l->joined++;
}
