// The command line.
#include "load.h"

#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, COUNT, PID, PORTS, SWITCH };

struct option {
    const char *name;
    enum kind kind;
    void *value;
    const char *help;
};

static void usage(const struct option *table, size_t n, FILE *to) {
    fprintf(to, "load: subscribes, publishes and checks what arrives. Prints one JSON object.\n\n");
    for (size_t i = 0; i < n; i++) fprintf(to, "  %-14s %s\n", table[i].name, table[i].help);
}

// assign_ports parses one port, or several with commas.
static char *assign_ports(struct ports *p, const char *text) {
    char *end = (char *)text;
    for (p->n = 0; p->n < MAX_NODES; end++) {
        p->at[p->n++] = (int)strtol(end, &end, 10);
        if (*end != ',') break;
    }
    return end;
}

int port_for(const struct ports *p, unsigned connection) { return p->at[connection % p->n]; }

static void assign(const struct option *o, const char *text) {
    char *end = "";
    switch (o->kind) {
    case TEXT: *(const char **)o->value = text; break;
    case NUMBER: *(double *)o->value = strtod(text, &end); break;
    case COUNT: *(unsigned *)o->value = (unsigned)strtoul(text, &end, 10); break;
    case PID: *(int *)o->value = (int)strtol(text, &end, 10); break;
    case PORTS: end = assign_ports(o->value, text); break;
    case SWITCH: break;
    }
    if (*end || *text == '-' || !*text) fail("%s %s: a number is wanted", o->name, text);
}

static void check(const struct options *o) {
    if (!o->ws.n || !o->api.n) fail("--ws-port and --api-port are required");
    if (!o->subscribers || !o->channels || !o->publishers) fail("--subscribers, --channels and --publishers must be 1 or more");
    if (!o->joins || o->joins > o->channels) fail("--joins must be from 1 to the number of channels");
    if (o->stalled >= o->subscribers) fail("--stalled must leave a subscriber that reads");
    if (o->missed && (o->channels != 1 || strncmp(o->dialect, "boreas-v2", 10) != 0) && strcmp(o->dialect, "floor") != 0)
        fail("--missed is for one channel and the dialects boreas-v2 and floor");
    if (o->lose && (!o->pause || o->ws.n < 2)) fail("--lose is for --pause and more than one --ws-port");
    if (o->real && strcmp(o->real, "orders") != 0 && strcmp(o->real, "chat") != 0) fail("--real is for orders or chat");
    if (o->real && (o->payload < MIN_REAL || o->payload > MAX_REAL || o->fill))
        fail("--real is for a --payload from %u to %u bytes, without --fill", MIN_REAL, MAX_REAL);
    if (o->deflate && o->joins != 1) fail("--deflate is for one channel per subscriber");
    if (o->payload < 64 || o->payload > MAX_PAYLOAD) fail("--payload must be from 64 to %u bytes", MAX_PAYLOAD);
}

void options_parse(struct options *o, int argc, char **argv) {
    *o = (struct options){
        .dialect = "boreas", .subscribers = 100, .channels = 1, .joins = 1, .publishers = 1,
        .warmup = 1, .seconds = 5, .payload = 100, .settle_ms = 1500, .limit_s = 120,
    };
    const struct option table[] = {
        {"--dialect", TEXT, &o->dialect, "boreas, boreas-v2, boreas-sse, boreas-post, centrifuge, nchan or floor"},
        {"--ws-port", PORTS, &o->ws, "where subscribers connect, on 127.0.0.1; the nodes of a cluster with commas"},
        {"--api-port", PORTS, &o->api, "where publishers connect, the same way"},
        {"--subscribers", COUNT, &o->subscribers, "how many"},
        {"--channels", COUNT, &o->channels, "how many"},
        {"--joins", COUNT, &o->joins, "channels of each subscriber"},
        {"--stalled", COUNT, &o->stalled, "subscribers that stop reading once they have joined"},
        {"--publishers", COUNT, &o->publishers, "each waits for its answer"},
        {"--rate", NUMBER, &o->rate, "publishes a second, all together; 0 = as fast as answers come"},
        {"--warmup", NUMBER, &o->warmup, "seconds of load before measuring"},
        {"--seconds", NUMBER, &o->seconds, "seconds measured; 0 = only connect, settle and join"},
        {"--fill", COUNT, &o->fill, "bytes each connection carries before measuring"},
        {"--payload", COUNT, &o->payload, "bytes of a message's JSON"},
        {"--settle", COUNT, &o->settle_ms, "milliseconds of quiet before the server is sampled"},
        {"--limit", COUNT, &o->limit_s, "seconds that the whole run may take"},
        {"--pid", PID, &o->pid, "the server's process, for its CPU and memory"},
        {"--paced", SWITCH, &o->paced, "publish one message for each byte on stdin, report each"},
        {"--missed", COUNT, &o->missed, "messages that everybody has missed, who all come back at once"},
        {"--pause", SWITCH, &o->pause, "with --missed: report, and wait for the number of a process on stdin"},
        {"--lose", SWITCH, &o->lose, "with --pause: all connect before, and the last of the nodes is lost meanwhile"},
        {"--answers", SWITCH, &o->answers, "no subscribers: measure the time until the answer to a publish"},
        {"--real", TEXT, &o->real, "orders or chat: messages as applications publish them"},
        {"--deflate", SWITCH, &o->deflate, "compressed messages; a sample of the subscribers checks them"},
        {"--tokens", TEXT, &o->tokens, "file of access tokens, one a line"},
    };
    const size_t n = sizeof table / sizeof *table;
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < n && strcmp(argv[i], table[k].name) != 0) k++;
        if (k == n) {
            usage(table, n, stderr);
            fail("%s is not an option", argv[i]);
        }
        if (table[k].kind == SWITCH) {
            *(bool *)table[k].value = true;
        } else {
            if (i + 1 == argc) fail("%s needs a value", argv[i]);
            assign(&table[k], argv[++i]);
        }
    }
    if (o->answers) o->subscribers = 1; // for the tables; it does not connect
    check(o);
}
