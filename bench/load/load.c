// The phases of a run: connect, settle, join, publish, drain, report.
//
//   cc -O2 -o load *.c && ./load --help
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define OPENING 200u          // connections being opened at a time
#define EVENTS 512            // taken from one epoll_wait
#define PROBE_ROUNDS 20       // attempts to see every join in force
#define PROBE_PATIENCE_MS 500 // for one of them
#define DRAIN_PATIENCE_MS 3000 // without a delivery, before the rest counts as lost

_Noreturn void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

// pump waits up to wait_ms for something to arrive and deals with it.
static void pump(struct load *l, int wait_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, wait_ms);
    if (n < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        struct peer *p = events[i].data.ptr;
        switch (p->role) {
        case SUBSCRIBER: subscriber_event(l, p); break;
        case PUBLISHER: publisher_event(l, p); break;
        case CONTROL: l->control_ready = true; break;
        }
    }
}

static void pump_for(struct load *l, uint64_t ms) {
    for (uint64_t end = now_ns() + ms * NS_PER_MS; now_ns() < end;) pump(l, 10);
}

// --- connecting ---

static void raise_file_limit(const struct options *o) {
    struct rlimit r;
    unsigned long need = o->subscribers + o->publishers + 32;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max < need)
        fail("%lu open files are needed and %lu allowed; raise the hard limit (ulimit -Hn)", need,
             (unsigned long)r.rlim_max);
}

static void read_tokens(struct load *l) {
    if (!l->opt.tokens) return;
    FILE *f = fopen(l->opt.tokens, "r");
    if (!f) fail("--tokens %s: %s", l->opt.tokens, strerror(errno));
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, f)) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line) continue;
        l->tokens = realloc(l->tokens, (l->token_count + 1) * sizeof *l->tokens);
        if (!l->tokens || !(l->tokens[l->token_count++] = strdup(line))) fail("no memory for tokens");
    }
    free(line);
    fclose(f);
}

static void make_payload(struct load *l) {
    static const char before_pad[] = "\",\"pad\":\"", after_pad[] = "\"}";
    char *at = l->payload;
    memset(at, 'x', l->opt.payload);
    memcpy(at, STAMP_MARK, STAMP_MARK_LEN);
    memcpy(at + STAMP_MARK_LEN + STAMP_LEN, before_pad, sizeof before_pad - 1);
    memcpy(at + l->opt.payload - (sizeof after_pad - 1), after_pad, sizeof after_pad - 1);
    at[l->opt.payload] = 0;
    l->tail_len = l->opt.payload - STAMP_MARK_LEN - STAMP_LEN;
}

static void prepare(struct load *l) {
    l->dialect = dialect_named(l->opt.dialect);
    raise_file_limit(&l->opt);
    read_tokens(l);
    make_payload(l);
    ledger_init(&l->ledger, &l->opt);
    l->subscribers = calloc(l->opt.subscribers, sizeof *l->subscribers);
    l->publishers = calloc(l->opt.publishers, sizeof *l->publishers);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!l->subscribers || !l->publishers || l->epoll < 0) fail("cannot begin: %s", strerror(errno));
    // The stalled lie evenly among the others, as they would in life.
    for (unsigned i = 0; i < l->opt.stalled; i++)
        l->subscribers[(uint64_t)i * l->opt.subscribers / l->opt.stalled].stalled = true;
}

static void connect_all(struct load *l) {
    for (unsigned i = 0; i < l->opt.publishers; i++) publisher_open(l, i);
    while (l->connected < l->opt.publishers) pump(l, 10);
    unsigned opened = 0;
    while (l->joined < l->opt.subscribers) {
        while (opened < l->opt.subscribers && opened - l->joined < OPENING) subscriber_open(l, opened++);
        pump(l, 100);
    }
}

// --- joining ---

static bool answered(const struct load *l) {
    for (unsigned i = 0; i < l->opt.publishers; i++)
        if (l->publishers[i].state == BUSY) return false;
    return true;
}

// probe publishes to each channel that a subscription has yet to hear of. A join
// has no answer on every wire, so hearing something is the one proof of it.
static void probe(struct load *l) {
    struct peer *prober = &l->publishers[0];
    for (unsigned c = 0; c < l->opt.channels; c++) {
        if (l->ledger.awaited[c] == 0) continue;
        publisher_send(l, prober, c, now_ns());
        while (prober->state == BUSY) pump(l, 10);
    }
    for (uint64_t end = now_ns() + PROBE_PATIENCE_MS * NS_PER_MS; l->ledger.unseen && now_ns() < end;)
        pump(l, 10);
}

// join_all returns how many rounds of probes it took.
static unsigned join_all(struct load *l) {
    unsigned rounds = 0;
    while (l->ledger.unseen && rounds < PROBE_ROUNDS) {
        probe(l);
        rounds++;
    }
    if (l->ledger.unseen)
        fail("%lu of %lu subscriptions got nothing in %d rounds of messages to each channel",
             (unsigned long)l->ledger.unseen, (unsigned long)l->opt.subscribers * l->opt.joins, PROBE_ROUNDS);
    if (rounds > 1) pump_for(l, PROBE_PATIENCE_MS); // let the other rounds' messages arrive
    return rounds;
}

static void stall(struct load *l) {
    for (unsigned i = 0; i < l->opt.subscribers; i++) {
        if (!l->subscribers[i].stalled) continue;
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->subscribers[i].fd, NULL);
        ledger_excuse(&l->ledger, i);
    }
}

// --- publishing ---

// publish_due sends what the rate asks for by now. The stamp is the time at which
// a message was due, not at which a publisher became free: waiting is latency too.
static void publish_due(struct load *l, uint64_t start, uint64_t *done) {
    static unsigned next;
    double interval = (double)NS_PER_S / l->opt.rate;
    for (unsigned tried = 0; tried < l->opt.publishers; tried++) {
        uint64_t due = start + (uint64_t)((double)*done * interval);
        if (now_ns() < due) return;
        struct peer *p = &l->publishers[next++ % l->opt.publishers];
        if (p->state != OPEN) continue;
        publisher_next(l, p, due);
        ++*done;
    }
}

static void run_until(struct load *l, uint64_t start, uint64_t *done, uint64_t end) {
    while (now_ns() < end) {
        if (l->opt.rate > 0) publish_due(l, start, done);
        pump(l, l->opt.rate > 0 ? 0 : 10); // at a rate it spins: it has a core of its own
    }
}

static void drain(struct load *l) {
    l->publishing = false;
    l->last_delivery = now_ns();
    while (!answered(l) || ledger_outstanding(&l->ledger)) {
        pump(l, 10);
        if (now_ns() - l->last_delivery > DRAIN_PATIENCE_MS * NS_PER_MS) return;
    }
    pump_for(l, 100); // a repeat would come now
}

struct window {
    double seconds, load_cpu_s;
    uint64_t delivered, published, bytes;
    struct usage server;
};

static struct window window_now(const struct load *l) {
    return (struct window){
        .seconds = (double)now_ns() / NS_PER_S,
        .load_cpu_s = usage_own_cpu(),
        .delivered = l->ledger.delivered,
        .published = l->published,
        .bytes = l->bytes,
        .server = usage_of_server(l->opt.pid),
    };
}

static struct window window_between(struct window a, struct window b) {
    return (struct window){
        .seconds = b.seconds - a.seconds,
        .load_cpu_s = b.load_cpu_s - a.load_cpu_s,
        .delivered = b.delivered - a.delivered,
        .published = b.published - a.published,
        .bytes = b.bytes - a.bytes,
        .server = {b.server.cpu_s - a.server.cpu_s, b.server.rss_kib},
    };
}

static struct window measure(struct load *l) {
    uint64_t start = now_ns(), done = 0;
    if (l->opt.rate == 0) {
        l->publishing = true;
        for (unsigned i = 0; i < l->opt.publishers; i++) publisher_next(l, &l->publishers[i], now_ns());
    }
    uint64_t from = start + (uint64_t)(l->opt.warmup * NS_PER_S);
    run_until(l, start, &done, from);
    l->recording = true;
    struct window before = window_now(l);
    run_until(l, start, &done, from + (uint64_t)(l->opt.seconds * NS_PER_S));
    struct window after = window_now(l);
    l->recording = false;
    drain(l);
    return window_between(before, after);
}

// paced publishes one message for each line on stdin and reports how long the
// last delivery and the publisher's answer took.
static void paced(struct load *l) {
    l->control = (struct peer){.role = CONTROL, .fd = STDIN_FILENO};
    wire_watch(l, &l->control, EPOLLIN, true);
    printf("{\"ready\":true}\n");
    fflush(stdout);
    for (;;) {
        while (!l->control_ready) pump(l, 1000);
        l->control_ready = false;
        char line[64];
        ssize_t n = read(STDIN_FILENO, line, sizeof line);
        if (n <= 0) return;
        uint64_t at = now_ns(), give_up = at + DRAIN_PATIENCE_MS * NS_PER_MS;
        publisher_next(l, &l->publishers[0], at);
        while ((l->publishers[0].state == BUSY || ledger_outstanding(&l->ledger)) && now_ns() < give_up)
            pump(l, 10);
        printf("{\"last_ms\":%.4f,\"answer_ms\":%.4f,\"missing\":%lu}\n", (double)(l->last_delivery - at) / 1e6,
               (double)(l->last_answer - at) / 1e6, (unsigned long)ledger_outstanding(&l->ledger));
        fflush(stdout);
    }
}

// --- the result ---

static void put(const char *name, double value) { printf(",\"%s\":%.6g", name, value); }
static void put_count(const char *name, uint64_t value) { printf(",\"%s\":%lu", name, (unsigned long)value); }

static void report_checks(const struct load *l) {
    put_count("missing", ledger_missing(&l->ledger));
    put_count("repeated", l->ledger.repeated);
    put_count("stray", l->ledger.stray);
    put_count("disordered", ledger_disordered(&l->ledger));
    put_count("corrupt", l->corrupt);
    put_count("malformed", l->malformed);
    put_count("refused", l->refused);
    put_count("closed", l->closed);
}

static void report_window(const struct load *l, const struct window *w) {
    put("seconds", w->seconds);
    put("deliveries_per_s", (double)w->delivered / w->seconds);
    put("publishes_per_s", (double)w->published / w->seconds);
    put("bytes_per_s", (double)w->bytes / w->seconds);
    put("p50_ms", histogram_ms(&l->latency, .50));
    put("p99_ms", histogram_ms(&l->latency, .99));
    put("p999_ms", histogram_ms(&l->latency, .999));
    put("max_ms", (double)l->latency.max / 1e6);
    put("server_cpu_share", w->server.cpu_s / w->seconds);
    put("server_us_per_delivery", w->delivered ? w->server.cpu_s * 1e6 / (double)w->delivered : 0);
    put("server_rss_kib", (double)w->server.rss_kib);
    put("load_cpu_share", w->load_cpu_s / w->seconds);
}

int main(int argc, char **argv) {
    static struct load l;
    options_parse(&l.opt, argc, argv);
    alarm(l.opt.limit_s); // ends the program, whatever it waits for
    prepare(&l);

    struct usage before = usage_of_server(l.opt.pid);
    uint64_t start = now_ns();
    connect_all(&l);
    double connect_s = (double)(now_ns() - start) / NS_PER_S;
    pump_for(&l, l.opt.settle_ms);
    struct usage joined = usage_of_server(l.opt.pid);
    unsigned rounds = join_all(&l);
    stall(&l);
    ledger_start(&l.ledger);

    struct window w = {0};
    if (l.opt.paced)
        paced(&l);
    else if (l.opt.seconds > 0)
        w = measure(&l);

    printf("{\"dialect\":\"%s\",\"subscribers\":%u", l.dialect->name, l.opt.subscribers);
    put("connect_s", connect_s);
    put("connect_cpu_us", (joined.cpu_s - before.cpu_s) * 1e6 / l.opt.subscribers);
    put("rss_before_kib", (double)before.rss_kib);
    put("rss_joined_kib", (double)joined.rss_kib);
    put("rss_each_kib", (double)(joined.rss_kib - before.rss_kib) / l.opt.subscribers);
    put_count("join_rounds", rounds);
    if (w.seconds > 0) report_window(&l, &w);
    report_checks(&l);
    printf("}\n");
    return 0;
}
