// Stamps, and the ledger of who has received which.
//
// Publishers run concurrently, so the server may interleave the numbers of different publishers in
// any way. A correct server guarantees:
//
//   - Each subscription sees each publisher's numbers 0, 1, 2, ... without a gap or a repeat,
//     because a publisher waits for its answer.
//   - All subscriptions of a channel see the same interleaving. A running hash of the stamps that
//     each has seen is compared at the end.
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define UNSEEN UINT32_MAX
#define PROBER 0u // the publisher whose first message shows that a join is in force

// Eight letters are 32 bits, 'A' to 'P' for four bits each, highest first.
static void write_word(char *dst, uint32_t word) {
    for (int i = 7; i >= 0; i--, word >>= 4) dst[i] = (char)('A' + (word & 15));
}

static uint32_t read_word(const uint8_t *letters) {
    uint64_t x;
    memcpy(&x, letters, sizeof x);
    x = __builtin_bswap64(x - 0x4141414141414141ull);
    // Now each byte holds four bits. Close the gaps: bytes, then pairs, then fours.
    x = (x | x >> 4) & 0x00ff00ff00ff00ffull;
    x = (x | x >> 8) & 0x0000ffff0000ffffull;
    return (uint32_t)(x | x >> 16);
}

void stamp_write(char *dst, const struct stamp *s) {
    write_word(dst, (uint32_t)(s->at >> 32));
    write_word(dst + 8, (uint32_t)s->at);
    write_word(dst + 16, s->number);
    write_word(dst + 24, s->channel);
    write_word(dst + 32, s->publisher);
}

struct stamp stamp_read(const uint8_t *letters) {
    return (struct stamp){
        .at = (uint64_t)read_word(letters) << 32 | read_word(letters + 8),
        .number = read_word(letters + 16),
        .channel = read_word(letters + 24),
        .publisher = read_word(letters + 32),
    };
}

static unsigned common_divisor(unsigned a, unsigned b) {
    while (b) {
        unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Spread a subscriber's channels over all channels. The stride has no common divisor with the
// number of channels. So a subscriber's channels are all different, and no two neighbours have the
// same set.
static unsigned stride_for(unsigned channels, unsigned joins) {
    unsigned stride = channels / joins;
    if (stride == 0) stride = 1;
    while (common_divisor(stride, channels) != 1) stride++;
    return stride;
}

unsigned ledger_channel(const struct ledger *g, unsigned subscriber, unsigned join) {
    return (unsigned)((subscriber + (uint64_t)join * g->stride) % g->channels);
}

static void *table(size_t count, size_t size) {
    void *t = calloc(count ? count : 1, size);
    if (!t) fail("no memory for a table of %zu entries", count);
    return t;
}

void ledger_init(struct ledger *g, const struct options *o) {
    size_t subscriptions = (size_t)o->subscribers * o->joins;
    *g = (struct ledger){
        .subscribers = o->subscribers,
        .channels = o->channels,
        .joins = o->joins,
        .publishers = o->publishers,
        .stride = stride_for(o->channels, o->joins),
        .slot_of = table(o->channels, sizeof(int32_t)),
        .sent = table((size_t)o->channels * o->publishers, sizeof(uint32_t)),
        .expected = table(subscriptions * o->publishers, sizeof(uint32_t)),
        .order = table(subscriptions, sizeof(uint64_t)),
        .awaited = table(o->channels, sizeof(uint32_t)),
        .members = table(o->channels, sizeof(uint32_t)),
        .excused = table(o->subscribers, sizeof(bool)),
        .counting = table(o->subscribers, sizeof(bool)),
        .counted = table(o->subscribers, sizeof(uint64_t)),
        .sent_since = table(o->channels, sizeof(uint64_t)),
        .unseen = subscriptions,
    };
    for (unsigned c = 0; c < g->channels; c++) g->slot_of[c] = -1;
    for (unsigned j = 0; j < g->joins; j++) g->slot_of[ledger_channel(g, 0, j)] = (int32_t)j;
    for (size_t i = 0; i < subscriptions; i++) g->expected[i * g->publishers + PROBER] = UNSEEN;
    for (unsigned s = 0; s < g->subscribers; s++)
        for (unsigned j = 0; j < g->joins; j++) g->awaited[ledger_channel(g, s, j)]++;
}

void ledger_excuse(struct ledger *g, unsigned subscriber) { g->excused[subscriber] = true; }

void ledger_count_only(struct ledger *g, unsigned subscriber) { g->counting[subscriber] = true; }

void ledger_count(struct ledger *g, unsigned subscriber) {
    uint32_t *expected = &g->expected[(size_t)subscriber * g->joins * g->publishers + PROBER];
    if (*expected == UNSEEN) {
        g->unseen--;
        g->awaited[ledger_channel(g, subscriber, 0)]--;
        *expected = 0;
    }
    g->delivered++;
    g->counted[subscriber]++;
}

void ledger_start(struct ledger *g) {
    memset(g->counted, 0, g->subscribers * sizeof *g->counted);
    memset(g->sent_since, 0, g->channels * sizeof *g->sent_since);
    memset(g->order, 0, (size_t)g->subscribers * g->joins * sizeof *g->order);
    memset(g->members, 0, g->channels * sizeof *g->members);
    for (unsigned s = 0; s < g->subscribers; s++)
        for (unsigned j = 0; j < g->joins && !g->excused[s]; j++)
            g->members[ledger_channel(g, s, j)]++;
    g->due = g->delivered = 0;
}

void ledger_replay(struct ledger *g) {
    size_t numbers = (size_t)g->subscribers * g->joins * g->publishers;
    memset(g->expected, 0, numbers * sizeof *g->expected);
    memset(g->awaited, 0, g->channels * sizeof *g->awaited);
    g->unseen = 0;
    ledger_start(g);
    for (unsigned c = 0; c < g->channels; c++)
        for (unsigned p = 0; p < g->publishers; p++)
            g->due += (uint64_t)g->members[c] * g->sent[(size_t)c * g->publishers + p];
}

uint32_t ledger_publish(struct ledger *g, unsigned channel, unsigned publisher) {
    g->due += g->members[channel];
    g->sent_since[channel]++;
    return g->sent[(size_t)channel * g->publishers + publisher]++;
}

static uint64_t mix(uint64_t hash, const struct stamp *s) {
    return (hash ^ ((uint64_t)s->publisher << 32 | s->number)) * 0x9e3779b97f4a7c15ull + 1;
}

void ledger_note(struct ledger *g, unsigned subscriber, const struct stamp *s) {
    if (s->channel >= g->channels || s->publisher >= g->publishers) {
        g->stray++;
        return;
    }
    unsigned first = subscriber % g->channels;
    unsigned distance = s->channel >= first ? s->channel - first : s->channel + g->channels - first;
    int32_t slot = g->slot_of[distance];
    if (slot < 0) {
        g->stray++;
        return;
    }
    size_t subscription = (size_t)subscriber * g->joins + (unsigned)slot;
    uint32_t *expected = &g->expected[subscription * g->publishers + s->publisher];
    if (!g->excused[subscriber]) g->delivered++;
    if (*expected == UNSEEN) { // it has joined since; earlier messages were not for it
        g->unseen--;
        g->awaited[s->channel]--;
        *expected = s->number + 1;
        return;
    }
    g->order[subscription] = mix(g->order[subscription], s);
    if (s->number == *expected) {
        ++*expected;
    } else if (s->number > *expected) {
        *(g->excused[subscriber] ? &g->excused_skipped : &g->skipped) += s->number - *expected;
        *expected = s->number + 1;
    } else {
        g->repeated++;
    }
}

uint64_t ledger_tail(const struct ledger *g, unsigned subscriber) {
    uint64_t sum = 0;
    for (unsigned j = 0; j < g->joins; j++) {
        const uint32_t *sent = &g->sent[(size_t)ledger_channel(g, subscriber, j) * g->publishers];
        const uint32_t *expected = &g->expected[((size_t)subscriber * g->joins + j) * g->publishers];
        for (unsigned p = 0; p < g->publishers; p++)
            sum += expected[p] == UNSEEN ? sent[p] : sent[p] - expected[p];
    }
    return sum;
}

uint64_t ledger_outstanding(const struct ledger *g) {
    return g->due > g->delivered ? g->due - g->delivered : 0;
}

uint64_t ledger_missing(const struct ledger *g) {
    uint64_t sum = g->skipped;
    for (unsigned s = 0; s < g->subscribers; s++) {
        uint64_t sent = g->sent_since[ledger_channel(g, s, 0)];
        if (g->counting[s]) sum += sent > g->counted[s] ? sent - g->counted[s] : 0;
        else if (!g->excused[s]) sum += ledger_tail(g, s);
    }
    return sum;
}

uint64_t ledger_repeated(const struct ledger *g) {
    uint64_t sum = g->repeated;
    for (unsigned s = 0; s < g->subscribers; s++) {
        uint64_t sent = g->sent_since[ledger_channel(g, s, 0)];
        if (g->counting[s] && g->counted[s] > sent) sum += g->counted[s] - sent;
    }
    return sum;
}

uint64_t ledger_disordered(const struct ledger *g) {
    uint64_t *first = table(g->channels, sizeof *first), different = 0;
    bool *have = table(g->channels, sizeof *have);
    for (unsigned s = 0; s < g->subscribers; s++) {
        if (g->excused[s] || g->counting[s]) continue;
        for (unsigned j = 0; j < g->joins; j++) {
            unsigned channel = ledger_channel(g, s, j);
            uint64_t order = g->order[(size_t)s * g->joins + j];
            if (!have[channel]) {
                first[channel] = order;
                have[channel] = true;
            } else if (first[channel] != order) {
                different++;
            }
        }
    }
    free(first);
    free(have);
    return different;
}
