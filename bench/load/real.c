// Messages as applications publish them: orders of a market and lines of a chat. Each differs from
// the one before in its ids, prices, times and texts. A message depends only on its stamp, so a
// receiver can make it again and compare.
#include "load.h"

#include <string.h>

#define MADE_PUBLISHERS 64u
#define MADE 8u // messages of each publisher that are kept, because many subscribers receive each

static const char *const words[] = {
    "the", "and", "you", "that", "have", "for", "not", "with", "this", "but", "from", "they", "say", "will", "one",
    "would", "there", "their", "what", "about", "which", "when", "make", "can", "like", "time", "just", "know", "take",
    "people", "into", "year", "good", "some", "could", "them", "see", "other", "than", "then", "now", "look", "only",
    "come", "over", "think", "also", "back", "after", "use", "two", "how", "our", "work", "first", "well", "way", "even",
    "new", "want", "because", "any", "these", "give", "day", "most", "meeting", "tomorrow", "please", "thanks", "release",
    "server", "ticket", "customer", "deploy", "update", "question", "maybe", "lunch", "morning", "later", "review",
};
static const char *const names[] = {"Anna", "Bruno", "Chidi", "Deniz", "Elif", "Farah", "Goran", "Hana", "Ivan", "Jun"};
static const char *const symbols[] = {"BRS", "NRD", "ALPN", "KTX", "VELO", "MRN", "OAKS", "TIDE"};
static const char *const states[] = {"new", "partially_filled", "filled", "cancelled"};

#define PICK(list, r) list[(r) % (sizeof list / sizeof *list)]

// next is splitmix64.
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

// add_time appends the stamp's time as a time of day.
static void add_time(struct text *t, const struct stamp *s) {
    uint64_t ms = s->at / NS_PER_MS % 86400000;
    add(t, "\"time\":\"2026-11-29T%02u:%02u:%02u.%03uZ\"", (unsigned)(ms / 3600000), (unsigned)(ms / 60000 % 60),
        (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
}

static void add_order(struct text *t, const struct stamp *s, uint64_t *state) {
    uint64_t r = next(state), q = next(state);
    add(t, "\"type\":\"order\",\"id\":\"%016lx\",\"symbol\":\"%s\",\"side\":\"%s\",\"price\":%u.%02u,\"quantity\":%u,"
           "\"filled\":%u,\"status\":\"%s\",\"account\":\"ac-%05u\",",
        (unsigned long)q, PICK(symbols, r), r >> 8 & 1 ? "buy" : "sell", 90 + (unsigned)(r >> 9 & 15),
        (unsigned)(r >> 16 & 127) % 100, 10 * (1 + (unsigned)(r >> 24 & 63)), (unsigned)(r >> 32 & 7) * 10,
        PICK(states, r >> 40), (unsigned)(q & 0xffff));
    add_time(t, s);
    add(t, ",\"note\":\"");
}

static void add_chat(struct text *t, const struct stamp *s, uint64_t *state) {
    uint64_t r = next(state), q = next(state);
    add(t, "\"type\":\"message\",\"id\":\"%016lx\",\"user\":{\"id\":%u,\"name\":\"%s\"},", (unsigned long)q,
        1000 + (unsigned)(r % 10), PICK(names, r % 10));
    add_time(t, s);
    add(t, ",\"text\":\"");
}

// make writes a message of the size. Its last member is a text of words that fills it.
static void make(struct load *l, char *dst, const struct stamp *s) {
    static const char end[] = "\"}";
    size_t size = l->opt.payload;
    uint64_t state = (uint64_t)s->publisher << 32 | s->number;
    struct text t = {dst, 0, size + 1};
    add(&t, STAMP_MARK);
    stamp_write(dst + t.len, s);
    t.len += STAMP_LEN;
    add(&t, "\",");
    if (strcmp(l->opt.real, "orders") == 0) add_order(&t, s, &state);
    else add_chat(&t, s, &state);
    while (t.len < size - (sizeof end - 1)) {
        const char *word = PICK(words, next(&state));
        size_t room = size - (sizeof end - 1) - t.len, n = strlen(word);
        memcpy(dst + t.len, word, n < room ? n : room);
        t.len += n < room ? n : room;
        if (n < room) dst[t.len++] = ' ';
    }
    memcpy(dst + t.len, end, sizeof end);
}

const char *real_message(struct load *l, const struct stamp *s) {
    static struct made {
        struct stamp stamp;
        bool is;
        char text[MAX_REAL + 1];
    } made[MADE_PUBLISHERS][MADE];
    struct made *m = &made[s->publisher % MADE_PUBLISHERS][s->number % MADE];
    const struct stamp *k = &m->stamp;
    if (!m->is || k->at != s->at || k->number != s->number || k->channel != s->channel || k->publisher != s->publisher) {
        m->stamp = *s;
        m->is = true;
        make(l, m->text, s);
    }
    return m->text;
}
