// The report: the load at one moment, between two moments, and the result.
#include "load.h"

struct window window_now(const struct load *l) {
    return (struct window){
        .seconds = (double)now_ns() / NS_PER_S,
        .load_cpu_s = usage_own_cpu(),
        .delivered = l->ledger.delivered,
        .published = l->published,
        .bytes = l->bytes,
        .server = usage_of_server(l->opt.pid),
    };
}

struct window window_between(struct window a, struct window b) {
    return (struct window){
        .seconds = b.seconds - a.seconds,
        .load_cpu_s = b.load_cpu_s - a.load_cpu_s,
        .delivered = b.delivered - a.delivered,
        .published = b.published - a.published,
        .bytes = b.bytes - a.bytes,
        .server = {b.server.cpu_s - a.server.cpu_s, b.server.rss_kib},
    };
}

static void put(const char *name, double value) { printf(",\"%s\":%.6g", name, value); }
static void put_count(const char *name, uint64_t value) { printf(",\"%s\":%lu", name, (unsigned long)value); }

// missed_unseen counts the messages that once stalled subscribers missed without a report although
// their connection is still open.
static uint64_t missed_unseen(const struct load *l) {
    uint64_t sum = l->ledger.excused_skipped;
    for (unsigned i = 0; i < l->opt.subscribers; i++)
        if (l->subscribers[i].stalled && l->subscribers[i].state != GONE) sum += ledger_tail(&l->ledger, i);
    return sum;
}

static void report_checks(const struct load *l) {
    put_count("missing", ledger_missing(&l->ledger));
    put_count("repeated", ledger_repeated(&l->ledger));
    put_count("stray", l->ledger.stray);
    put_count("disordered", ledger_disordered(&l->ledger));
    put_count("corrupt", l->corrupt);
    put_count("malformed", l->malformed);
    put_count("refused", l->refused);
    put_count("closed", l->closed);
    put_count("stalled_closed", l->stalled_closed);
    put_count("stalled_missing", missed_unseen(l));
}

static void report_window(const struct load *l, const struct window *w) {
    put("seconds", w->seconds);
    put("deliveries_per_s", (double)w->delivered / w->seconds);
    put("publishes_per_s", (double)w->published / w->seconds);
    put("bytes_per_s", (double)w->bytes / w->seconds);
    put("bytes_per_delivery", w->delivered ? (double)w->bytes / (double)w->delivered : 0);
    put("p50_ms", histogram_ms(&l->latency, .50));
    put("p99_ms", histogram_ms(&l->latency, .99));
    put("p999_ms", histogram_ms(&l->latency, .999));
    put("max_ms", (double)l->latency.max / 1e6);
    put("server_cpu_share", w->server.cpu_s / w->seconds);
    put("server_us_per_delivery", w->delivered ? w->server.cpu_s * 1e6 / (double)w->delivered : 0);
    put("server_us_per_publish", w->published ? w->server.cpu_s * 1e6 / (double)w->published : 0);
    put("server_rss_kib", (double)w->server.rss_kib);
    put("load_cpu_share", w->load_cpu_s / w->seconds);
}

static void report_returning(const struct load *l, const struct returning *r) {
    put("resume_ms", r->resume_s * 1e3);
    put("resume_once_ms", r->once_s * 1e3);
    put("return_ms", (r->connect_s + r->resume_s) * 1e3);
    put("resume_cpu_us", r->cpu_s * 1e6 / l->opt.subscribers);
    put("text_bytes", r->text_bytes);
}

void report(const struct load *l, const struct joining *j, const struct window *w, const struct returning *r) {
    printf("{\"dialect\":\"%s\",\"subscribers\":%u", l->dialect->name, l->opt.subscribers);
    put("connect_s", j->seconds);
    put("connect_cpu_us", (j->after.cpu_s - j->before.cpu_s) * 1e6 / l->opt.subscribers);
    put("rss_before_kib", (double)j->before.rss_kib);
    put("rss_joined_kib", (double)j->after.rss_kib);
    put("rss_each_kib", (double)(j->after.rss_kib - j->before.rss_kib) / l->opt.subscribers);
    put_count("join_rounds", j->rounds);
    if (w->seconds > 0) report_window(l, w);
    if (r->resume_s > 0) report_returning(l, r);
    report_checks(l);
    printf("}\n");
}
