// Sockets, WebSocket frames and HTTP responses, as far as a load generator needs them.
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INBOX (256u << 10) // the size of one recv; fits into a core's own cache
#define SOURCES 32 // number of source addresses
#define SEND_PATIENCE_MS 10000
#define STALLED_BUFFER 4096 // small, so that a stalled reader's window closes soon

static void set(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

int wire_dial(int port, bool small_buffer) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) fail("socket: %s; raise the limit of open files (ulimit -n)", strerror(errno));
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (small_buffer) set(fd, SOL_SOCKET, SO_RCVBUF, STALLED_BUFFER);
    // Close with a reset, so that no port stays in TIME_WAIT for a minute before the next run.
    struct linger reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);

    // Use many source addresses in turn. The kernel finds a free port by trying one after the
    // other, which is slow for an address that has most of them in use.
    static unsigned turn;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % SOURCES);
    set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) fail("bind to an address of 127.0.0.0/8: %s", strerror(errno));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail("connect to port %d: %s", port, strerror(errno));
    return fd;
}

void wire_watch(struct load *l, struct peer *p, uint32_t events, bool add) {
    struct epoll_event e = {.events = events, .data.ptr = p};
    if (epoll_ctl(l->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, p->fd, &e) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

void wire_close(struct load *l, struct peer *p) {
    if (p->state == GONE) return;
    close(p->fd);
    p->state = GONE;
    p->rest_len = 0;
    deflate_close(p);
    if (p->stalled)
        l->stalled_closed++;
    else
        l->closed++;
}

// wire_send waits if the socket is full, which is rare: requests and joins are small.
void wire_send(struct peer *p, const void *bytes, size_t n) {
    const char *at = bytes;
    while (n > 0) {
        ssize_t k = send(p->fd, at, n, MSG_NOSIGNAL);
        if (k > 0) {
            at += k;
            n -= (size_t)k;
        } else if (k < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = p->fd, .events = POLLOUT};
            if (poll(&room, 1, SEND_PATIENCE_MS) == 0)
                fail("the server reads nothing from a connection for %d ms", SEND_PATIENCE_MS);
        } else {
            return; // lost; the next receive reports it
        }
    }
}

void wire_send_frame(struct peer *p, int opcode, const char *text, size_t n) {
    static const uint8_t mask[4] = {0x6a, 0x1f, 0xc3, 0x58}; // a client must mask, but any mask will do
    static uint8_t out[MAX_REQUEST + 8];
    size_t h = 0;
    if (n > MAX_REQUEST) fail("a frame of %zu bytes is too long to send", n);
    out[h++] = (uint8_t)(0x80 | opcode);
    if (n < 126) {
        out[h++] = (uint8_t)(0x80 | n);
    } else {
        out[h++] = 0x80 | 126;
        out[h++] = (uint8_t)(n >> 8);
        out[h++] = (uint8_t)n;
    }
    memcpy(out + h, mask, sizeof mask);
    h += sizeof mask;
    for (size_t i = 0; i < n; i++) out[h + i] = (uint8_t)text[i] ^ mask[i & 3];
    wire_send(p, out, h + n);
}

ssize_t wire_receive(struct load *l, struct peer *p) {
    if (!l->inbox) {
        l->inbox = malloc(INBOX + MAX_FRAME + MAX_REQUEST);
        if (!l->inbox) fail("no memory for the receive buffer");
    }
    if (p->rest_len) memcpy(l->inbox, p->rest, p->rest_len);
    ssize_t n = recv(p->fd, l->inbox + p->rest_len, INBOX, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    *(p->stalled ? &l->stalled_bytes : &l->bytes) += (uint64_t)n;
    n += p->rest_len;
    p->rest_len = 0;
    return n;
}

void wire_keep(struct peer *p, const uint8_t *bytes, size_t n) {
    if (n > p->rest_cap) {
        p->rest = realloc(p->rest, n);
        if (!p->rest) fail("no memory to keep %zu bytes of a connection", n);
        p->rest_cap = (uint32_t)n;
    }
    if (n) memcpy(p->rest, bytes, n);
    p->rest_len = (uint32_t)n;
}

ssize_t wire_frame(const uint8_t *p, size_t n, struct frame *f) {
    if (n < 2) return 0;
    bool last = p[0] & 0x80, compressed = p[0] & 0x40, reserved = p[0] & 0x30, masked = p[1] & 0x80;
    if (!last || reserved || masked) return -1; // no contender fragments or masks
    size_t header = 2, len = p[1] & 0x7f;
    if (len == 126) {
        if (n < 4) return 0;
        header = 4;
        len = (size_t)p[2] << 8 | p[3];
    } else if (len == 127) {
        if (n < 10) return 0;
        header = 10;
        len = 0;
        for (int i = 2; i < 10; i++) len = len << 8 | p[i];
    }
    if (len > MAX_FRAME) return -1;
    if (n - header < len || n < header) return 0;
    *f = (struct frame){.opcode = p[0] & 15, .compressed = compressed, .body = p + header, .len = len};
    return (ssize_t)(header + len);
}

// header_value finds a header's value in the n bytes of an HTTP head.
static const char *header_value(const char *head, size_t n, const char *name) {
    size_t len = strlen(name);
    for (const char *line = head; line;) {
        line = memchr(line, '\n', n - (size_t)(line - head));
        if (!line) return NULL;
        line++;
        if ((size_t)(line - head) + len + 1 >= n) return NULL;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            for (line += len + 1; *line == ' ';) line++;
            return line;
        }
    }
    return NULL;
}

ssize_t wire_head(const uint8_t *p, size_t n, int *status) {
    const char *head = (const char *)p;
    if (n >= 12 && strncmp(head, "HTTP/1.1 ", 9) != 0) return -1;
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) return n > MAX_REQUEST ? -1 : 0;
    *status = atoi(head + 9);
    return end - head + 4;
}

ssize_t wire_answer(const uint8_t *p, size_t n, int *status) {
    static const char chunked_end[] = "\r\n0\r\n\r\n";
    const char *head = (const char *)p;
    ssize_t front = wire_head(p, n, status);
    if (front <= 0) return front;
    size_t head_len = (size_t)front;
    if (*status < 200 || *status == 204) return (ssize_t)head_len; // 1xx and 204 have no body

    const char *length = header_value(head, head_len, "Content-Length");
    if (length) {
        size_t whole = head_len + strtoul(length, NULL, 10);
        return whole <= n ? (ssize_t)whole : 0;
    }
    if (!header_value(head, head_len, "Transfer-Encoding")) return -1;
    const uint8_t *from = p + head_len - 2; // the end of an empty body includes the head's line break
    const uint8_t *stop = memmem(from, n - head_len + 2, chunked_end, sizeof chunked_end - 1);
    return stop ? stop - p + (ssize_t)sizeof chunked_end - 1 : 0;
}
