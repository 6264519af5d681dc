// Clock, latencies, and the server's use of CPU and memory.
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

// Values below HISTOGRAM_STEPS have a bucket each. For larger values, the highest set bit and the
// five bits below it select the bucket.
static unsigned bucket_of(uint64_t ns) {
    if (ns < HISTOGRAM_STEPS) return (unsigned)ns;
    unsigned high = 63u - (unsigned)__builtin_clzll(ns);
    unsigned step = (unsigned)(ns >> (high - 5)) & (HISTOGRAM_STEPS - 1);
    return (high - 4) * HISTOGRAM_STEPS + step;
}

static double bucket_ns(unsigned bucket) {
    unsigned power = bucket / HISTOGRAM_STEPS, step = bucket % HISTOGRAM_STEPS;
    if (power == 0) return step;
    return (double)((uint64_t)(HISTOGRAM_STEPS + step) << (power - 1));
}

void histogram_add(struct histogram *h, uint64_t ns) {
    h->bucket[bucket_of(ns)]++;
    h->count++;
    if (ns > h->max) h->max = ns;
}

double histogram_ms(const struct histogram *h, double quantile) {
    uint64_t rank = (uint64_t)(quantile * (double)h->count), passed = 0;
    for (unsigned i = 0; i < 64 * HISTOGRAM_STEPS; i++) {
        passed += h->bucket[i];
        if (passed > rank) return bucket_ns(i) / 1e6;
    }
    return (double)h->max / 1e6;
}

// cpu_ticks_of reads user and system time from /proc/PID/stat. The command name may contain any
// character, so fields are counted from the last parenthesis.
static unsigned long cpu_ticks_of(int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) fail("%s is gone: the server has ended; look at its output", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *after_name = strrchr(text, ')');
    if (!after_name) fail("%s: not understood", path);

    enum { USER_TIME = 12, SYSTEM_TIME = 13 }; // counted after the name
    unsigned long ticks = 0;
    int field = 0;
    for (char *word = strtok(after_name + 1, " "); word; word = strtok(NULL, " ")) {
        field++;
        if (field == USER_TIME || field == SYSTEM_TIME) ticks += strtoul(word, NULL, 10);
    }
    return ticks;
}

static long rss_kib_of(int pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    if (!f) fail("%s is gone: the server has ended; look at its output", path);
    long kib = 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    fclose(f);
    return kib;
}

struct usage usage_of_server(int pid) {
    struct usage u = {0};
    if (pid == 0) return u;
    u.cpu_s = (double)cpu_ticks_of(pid) / (double)sysconf(_SC_CLK_TCK);
    u.rss_kib = rss_kib_of(pid);

    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *f = fopen(path, "r");
    if (!f) return u;
    int child;
    while (fscanf(f, "%d", &child) == 1) {
        struct usage c = usage_of_server(child);
        u.cpu_s += c.cpu_s;
        u.rss_kib += c.rss_kib;
    }
    fclose(f);
    return u;
}

double usage_own_cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
