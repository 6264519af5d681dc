// How each kind of server is joined and published to. To add one, write its four functions and its
// line in the table at the end.
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define HOST "Host: 127.0.0.1\r\n"
#define JSON_TYPE "Content-Type: application/json\r\n"

void add(struct text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at + t->len, t->cap - t->len, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= t->cap - t->len) fail("a request is too long; use fewer or shorter channels");
    t->len += (size_t)n;
}

// add_channels lists a subscriber's channel numbers between before and after, with commas.
static void add_channels(struct text *t, const struct load *l, unsigned subscriber, const char *before,
                         const char *after) {
    for (unsigned j = 0; j < l->opt.joins; j++)
        add(t, "%s%s%u%s", j ? "," : "", before, ledger_channel(&l->ledger, subscriber, j), after);
}

static int root_path(struct load *l, unsigned subscriber, char *dst, size_t cap) {
    (void)l, (void)subscriber;
    return snprintf(dst, cap, "/");
}

static int post(char *dst, size_t cap, const char *path, const char *body, size_t body_len) {
    struct text t = {dst, 0, cap};
    add(&t, "POST %s HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: %zu\r\n\r\n%s", path, body_len, body);
    return (int)t.len;
}

// --- boreas: the classic wire ---

static void boreas_join(struct load *l, struct peer *p) {
    static char out[MAX_REQUEST];
    if (l->token_count) {
        struct text t = {out, 0, sizeof out};
        add(&t, "{\"access_token\": \"%s\"}", l->tokens[p->index % l->token_count]);
        wire_send_frame(p, OP_TEXT, out, t.len);
    }
    struct text t = {out, 0, sizeof out};
    add(&t, "{\"channels\": {\"join\": [");
    add_channels(&t, l, p->index, "\"room-", "\"");
    add(&t, "], \"leave\": []}}");
    wire_send_frame(p, OP_TEXT, out, t.len);
}

static int boreas_request(unsigned channel, const char *payload, char *dst, size_t cap) {
    static char body[MAX_PAYLOAD + 64];
    char path[64];
    int n = snprintf(body, sizeof body, "{\"payload\": %s, \"dryrun\": false}", payload);
    snprintf(path, sizeof path, "/broadcast/room-%u/", channel);
    return post(dst, cap, path, body, (size_t)n);
}

// --- boreas-post: protocol 2 over HTTP, for publishers only ---

static int v2_request(unsigned channel, const char *payload, char *dst, size_t cap) {
    char path[64];
    snprintf(path, sizeof path, "/v2/channels/room-%u/messages", channel);
    return post(dst, cap, path, payload, strlen(payload));
}

// --- centrifuge: JSON commands, one per line ---

static void centrifuge_join(struct load *l, struct peer *p) {
    static char out[MAX_REQUEST];
    struct text t = {out, 0, sizeof out};
    add(&t, "{\"id\":1,\"connect\":{}}");
    for (unsigned j = 0; j < l->opt.joins; j++)
        add(&t, "\n{\"id\":%u,\"subscribe\":{\"channel\":\"room-%u\"}}", j + 2,
            ledger_channel(&l->ledger, p->index, j));
    wire_send_frame(p, OP_TEXT, out, t.len);
}

static int centrifuge_request(unsigned channel, const char *payload, char *dst, size_t cap) {
    static char body[MAX_PAYLOAD + 64];
    int n = snprintf(body, sizeof body, "{\"channel\":\"room-%u\",\"data\":%s}", channel, payload);
    return post(dst, cap, "/publish", body, (size_t)n);
}

// A ping is an empty object, and the reply is the same. Any other object here is the reply to a
// command.
static void centrifuge_aside(struct load *l, struct peer *p, const uint8_t *text, size_t n) {
    (void)l;
    if (n == 2 && memcmp(text, "{}", 2) == 0) wire_send_frame(p, OP_TEXT, "{}", 2);
    if (memmem(text, n, "\"error\":", 8) || memmem(text, n, "\"disconnect\":", 13))
        fail("the server refused a subscriber: %.*s", (int)(n < 300 ? n : 300), (const char *)text);
}

// --- nchan: the channels are in the path ---

static int nchan_path(struct load *l, unsigned subscriber, char *dst, size_t cap) {
    struct text t = {dst, 0, cap};
    add(&t, "/sub/");
    add_channels(&t, l, subscriber, "", "");
    return (int)t.len;
}

static int nchan_request(unsigned channel, const char *payload, char *dst, size_t cap) {
    char path[64];
    snprintf(path, sizeof path, "/pub/%u", channel);
    return post(dst, cap, path, payload, strlen(payload));
}

// --- floor: like nchan, without a prefix ---

static int floor_path(struct load *l, unsigned subscriber, char *dst, size_t cap) {
    struct text t = {dst, 0, cap};
    add(&t, "/");
    add_channels(&t, l, subscriber, "", "");
    return (int)t.len;
}

static int floor_request(unsigned channel, const char *payload, char *dst, size_t cap) {
    char path[64];
    snprintf(path, sizeof path, "/%u", channel);
    return post(dst, cap, path, payload, strlen(payload));
}

static const struct dialect dialects[] = {
    {.name = "boreas", .path = root_path, .join = boreas_join, .request = boreas_request},
    {.name = "boreas-v2", .confirms = true, .path = v2_path, .request = boreas_request, .aside = v2_aside},
    {.name = "boreas-sse", .events = true, .confirms = true, .path = events_path, .request = boreas_request,
     .aside = events_aside},
    {.name = "boreas-post", .request = v2_request},
    {.name = "centrifuge", .batches_in_frame = true, .path = root_path, .join = centrifuge_join,
     .request = centrifuge_request, .aside = centrifuge_aside},
    {.name = "nchan", .path = nchan_path, .request = nchan_request},
    {.name = "floor", .path = floor_path, .request = floor_request},
};

const struct dialect *dialect_named(const char *name) {
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (strcmp(dialects[i].name, name) == 0) return &dialects[i];
    fail("--dialect %s is not known: boreas, boreas-v2, boreas-sse, boreas-post, centrifuge, nchan, floor", name);
}
