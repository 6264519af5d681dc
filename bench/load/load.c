// The phases of a run: connect, settle, join, publish, drain, report.
//
//   cc -O2 -o load *.c && ./load --help
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define OPENING 200u          // connections being opened at the same time
#define EVENTS 512            // events per epoll_wait
#define FILL_PAYLOAD 16384u   // bytes of a message that fills connections
#define PROBE_ROUNDS 20       // attempts to see every join in force
#define PROBE_PATIENCE_MS 500 // the wait for one attempt
#define RESUME_PATIENCE_MS 1000 // without a byte, after which the once stalled readers have everything
#define DRAIN_PATIENCE_MS 3000 // without a delivery, after which the rest counts as lost

_Noreturn void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void pump(struct load *l, int wait_ms) {
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

void pump_for(struct load *l, uint64_t ms) {
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

static void prepare(struct load *l) {
    l->dialect = dialect_named(l->opt.dialect);
    raise_file_limit(&l->opt);
    read_tokens(l);
    payload_make(l, l->opt.payload);
    ledger_init(&l->ledger, &l->opt);
    for (unsigned i = 0; l->opt.deflate && i < l->opt.subscribers; i++)
        if (!deflate_sampled(l, i)) ledger_count_only(&l->ledger, i);
    l->subscribers = calloc(l->opt.subscribers, sizeof *l->subscribers);
    l->publishers = calloc(l->opt.publishers, sizeof *l->publishers);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!l->subscribers || !l->publishers || l->epoll < 0) fail("cannot begin: %s", strerror(errno));
    // Stalled subscribers are spread evenly among the others, as in practice.
    for (unsigned i = 0; i < l->opt.stalled; i++)
        l->subscribers[(uint64_t)i * l->opt.subscribers / l->opt.stalled].stalled = true;
}

void connect_publishers(struct load *l) {
    for (unsigned i = 0; i < l->opt.publishers; i++) publisher_open(l, i);
    while (l->connected < l->opt.publishers) pump(l, 10);
}

void connect_subscribers(struct load *l) {
    unsigned opened = 0;
    while (l->joined < l->opt.subscribers) {
        while (opened < l->opt.subscribers && opened - l->joined < OPENING) subscriber_open(l, opened++);
        pump(l, 100);
    }
}

// --- joining ---

struct peer *ready(struct load *l, unsigned publisher) {
    struct peer *p = &l->publishers[publisher];
    while (p->state != OPEN) pump(l, 10);
    return p;
}

static bool answered(const struct load *l) {
    for (unsigned i = 0; i < l->opt.publishers; i++)
        if (l->publishers[i].state == BUSY) return false;
    return true;
}

// probe publishes to each channel with a subscription that has received nothing yet. Not every wire
// answers a join, so only a received message proves that it is in force.
static void probe(struct load *l) {
    for (unsigned c = 0; c < l->opt.channels; c++) {
        if (l->ledger.awaited[c] == 0) continue;
        publisher_send(l, ready(l, 0), c, now_ns());
        ready(l, 0);
    }
    for (uint64_t end = now_ns() + PROBE_PATIENCE_MS * NS_PER_MS; l->ledger.unseen && now_ns() < end;)
        pump(l, 10);
}

unsigned join_all(struct load *l) {
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

// fill publishes large messages one by one until each connection has carried opt.fill bytes. A
// stalled reader has no effect until the buffers of its connection are full, and the kernel gives
// it megabytes.
static void fill(struct load *l) {
    payload_make(l, FILL_PAYLOAD);
    unsigned turn = 0; // use all publishers, so that none is idle for long
    for (uint64_t carried = 0; carried < l->opt.fill; carried += FILL_PAYLOAD) {
        uint64_t give_up = now_ns() + DRAIN_PATIENCE_MS * NS_PER_MS;
        publisher_next(l, ready(l, turn++ % l->opt.publishers), now_ns());
        while ((!answered(l) || ledger_outstanding(&l->ledger)) && now_ns() < give_up) pump(l, 10);
    }
    payload_make(l, l->opt.payload);
}

// read_on resumes reading on stalled connections, to see whether the server reports the missed
// messages.
static void read_on(struct load *l) {
    uint64_t quiet_since = now_ns(), bytes = l->stalled_bytes;
    for (unsigned i = 0; i < l->opt.subscribers; i++)
        if (l->subscribers[i].stalled) wire_watch(l, &l->subscribers[i], EPOLLIN, true);
    while (l->opt.stalled && now_ns() - quiet_since < RESUME_PATIENCE_MS * NS_PER_MS) {
        pump(l, 10);
        if (l->stalled_bytes != bytes) quiet_since = now_ns();
        bytes = l->stalled_bytes;
    }
}

// --- publishing ---

// publish_due sends the messages that are due at this rate. The stamp is the time when a message
// was due, not when a publisher became free, because waiting is latency too.
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
        pump(l, l->opt.rate > 0 ? 0 : 10); // at a fixed rate it spins: it has its own core
    }
}

static void drain(struct load *l) {
    l->publishing = false;
    l->last_delivery = now_ns();
    while (!answered(l) || ledger_outstanding(&l->ledger)) {
        pump(l, 10);
        if (now_ns() - l->last_delivery > DRAIN_PATIENCE_MS * NS_PER_MS) return;
    }
    pump_for(l, 100); // time for a repeated message to arrive
}

static struct window measure(struct load *l) {
    uint64_t start = now_ns(), done = 0;
    if (l->opt.rate == 0) {
        l->publishing = true;
        for (unsigned i = 0; i < l->opt.publishers; i++) publisher_next(l, ready(l, i), now_ns());
    }
    uint64_t from = start + (uint64_t)(l->opt.warmup * NS_PER_S);
    run_until(l, start, &done, from);
    l->recording = true;
    struct window before = window_now(l);
    run_until(l, start, &done, from + (uint64_t)(l->opt.seconds * NS_PER_S));
    struct window after = window_now(l);
    l->recording = false;
    drain(l);
    read_on(l);
    return window_between(before, after);
}

// flood connects, joins and publishes.
static struct window flood(struct load *l, struct joining *j) {
    uint64_t start = now_ns();
    connect_publishers(l);
    connect_subscribers(l);
    j->seconds = (double)(now_ns() - start) / NS_PER_S;
    pump_for(l, l->opt.settle_ms);
    j->after = usage_of_server(l->opt.pid);
    j->rounds = join_all(l);
    stall(l);
    ledger_start(&l->ledger);
    fill(l);
    if (l->opt.paced) paced(l);
    else if (l->opt.seconds > 0) return measure(l);
    return (struct window){0};
}

// publish_only measures publishers without subscribers.
static struct window publish_only(struct load *l, struct joining *j) {
    if (l->dialect->join || l->dialect->path) fail("--answers is for the dialect boreas-post");
    ledger_excuse(&l->ledger, 0);
    connect_publishers(l);
    j->after = usage_of_server(l->opt.pid);
    return measure(l);
}

static void out_of_time(int signal) {
    static const char text[] = "load: the run took longer than --limit; the server or the machine is too slow\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)signal, (void)n;
    _exit(1);
}

int main(int argc, char **argv) {
    static struct load l;
    options_parse(&l.opt, argc, argv);
    signal(SIGALRM, out_of_time);
    alarm(l.opt.limit_s);
    prepare(&l);

    struct joining j = {.before = usage_of_server(l.opt.pid)};
    struct window w = {0};
    struct returning r = {0};
    if (l.opt.missed) r = resume_all(&l, &j);
    else if (l.opt.answers) w = publish_only(&l, &j);
    else w = flood(&l, &j);
    report(&l, &j, &w, &r);
    return 0;
}
