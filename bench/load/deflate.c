// Compressed messages (permessage-deflate, RFC 7692). Decompressing the messages of all subscribers
// would cost more than the server's own work. So a sample of the subscribers decompresses and checks
// every message, and the others count their messages.
#include "load.h"

#ifdef WITH_ZLIB

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SAMPLE 32u // number of subscribers that decompress

bool deflate_sampled(const struct load *l, unsigned subscriber) {
    unsigned stride = l->opt.subscribers / SAMPLE;
    return stride == 0 || subscriber % stride == 0;
}

const uint8_t *deflate_open(struct peer *p, const uint8_t *body, size_t *n) {
    static const uint8_t tail[] = {0, 0, 0xff, 0xff}; // what the sender has left out
    static uint8_t text[MAX_FRAME];
    z_stream *z = p->inflater;
    if (!z) {
        z = p->inflater = calloc(1, sizeof *z);
        if (!z || inflateInit2(z, -15) != Z_OK) fail("no memory to decompress");
    }
    z->next_out = text;
    z->avail_out = sizeof text;
    for (int part = 0; part < 2; part++) {
        z->next_in = (uint8_t *)(part ? tail : body);
        z->avail_in = part ? sizeof tail : (unsigned)*n;
        int status = inflate(z, Z_SYNC_FLUSH);
        if ((status != Z_OK && status != Z_BUF_ERROR) || z->avail_in) return NULL;
    }
    *n = sizeof text - z->avail_out;
    return text;
}

void deflate_close(struct peer *p) {
    if (!p->inflater) return;
    inflateEnd(p->inflater);
    free(p->inflater);
    p->inflater = NULL;
}

#else

bool deflate_sampled(const struct load *l, unsigned subscriber) {
    (void)l, (void)subscriber;
    fail("--deflate needs zlib, which was not there when this program was built");
}

const uint8_t *deflate_open(struct peer *p, const uint8_t *body, size_t *n) {
    (void)p, (void)body, (void)n;
    return NULL;
}

void deflate_close(struct peer *p) { (void)p; }

#endif
