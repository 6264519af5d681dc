// The run that publishes one message at a time, on command.
#include "load.h"

#include <sys/epoll.h>
#include <unistd.h>

#define PACED_PATIENCE_MS 10000 // the timeout for one message to reach everybody

// publish_one publishes one message. It reports the time until its last delivery and until the
// publisher's answer.
static void publish_one(struct load *l) {
    struct peer *p = ready(l, 0);
    uint64_t at = now_ns(), give_up = at + PACED_PATIENCE_MS * NS_PER_MS;
    publisher_next(l, p, at);
    while ((p->state == BUSY || ledger_outstanding(&l->ledger)) && now_ns() < give_up) pump(l, 10);
    if (p->state == BUSY) fail("a publish was not answered for %d ms", PACED_PATIENCE_MS);
    printf("{\"last_ms\":%.4f,\"answer_ms\":%.4f,\"late\":%lu}\n", (double)(l->last_delivery - at) / 1e6,
           (double)(l->last_answer - at) / 1e6, (unsigned long)ledger_outstanding(&l->ledger));
    fflush(stdout);
}

// paced publishes one message for each byte on stdin, until stdin ends.
void paced(struct load *l) {
    l->control = (struct peer){.role = CONTROL, .fd = STDIN_FILENO};
    wire_watch(l, &l->control, EPOLLIN, true);
    printf("{\"ready\":true}\n");
    fflush(stdout);
    for (;;) {
        while (!l->control_ready) pump(l, 1000);
        l->control_ready = false;
        char byte;
        if (read(STDIN_FILENO, &byte, 1) <= 0) return;
        publish_one(l);
    }
}
