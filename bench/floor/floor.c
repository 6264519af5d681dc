// The floor: what one send() for each delivery costs when a server does nothing else.
//
// One thread, one epoll. A POST's body becomes one websocket frame, and that frame
// is sent to each subscriber of the channel with one send() call. It is not a
// server anybody could use, for it leaves out:
//   - the end of a slow or full connection: what the socket does not take at once
//     is lost, and a frame cut short breaks its connection
//   - checking the handshake, the requests, the JSON, the UTF-8; a request that
//     comes in two pieces is not put together
//   - reading what subscribers say: pings, pongs, closes, joins
//   - tokens, history, limits, metrics, time-outs, more than one core
//   - leaving a channel (a connection that ends leaves all)
// So a server that also makes one send() a delivery cannot be faster, and one that
// is much faster makes fewer.
//
//   cc -O2 -o floor floor.c && ./floor 9000
//   GET /3,17 upgrades and subscribes to channels 3 and 17; POST /3 publishes.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNELS 4096
#define BACKLOG 4096
#define EVENTS 256
#define BODY 65535u // what a frame with two bytes of length can hold

struct channel {
    int *subscribers;
    size_t count, room;
};

static struct channel channels[CHANNELS];

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void subscribe(unsigned long channel, int fd) {
    struct channel *c = &channels[channel % CHANNELS];
    if (c->count == c->room) {
        c->room = c->room ? c->room * 2 : 16;
        c->subscribers = realloc(c->subscribers, c->room * sizeof *c->subscribers);
        if (!c->subscribers) die("memory for subscribers");
    }
    c->subscribers[c->count++] = fd;
}

static void forget(int fd) {
    for (size_t i = 0; i < CHANNELS; i++)
        for (size_t k = 0; k < channels[i].count; k++)
            if (channels[i].subscribers[k] == fd) channels[i].subscribers[k--] = channels[i].subscribers[--channels[i].count];
    close(fd);
}

static void answer(int fd, const char *text) {
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 && errno != ECONNRESET && errno != EPIPE) die("answer");
}

// The accept key answers the sample key of RFC 6455, which the load generator sends.
static void upgrade(int fd, const char *list) {
    for (char *next = (char *)list; *next >= '0' && *next <= '9'; next += *next == ',')
        subscribe(strtoul(next, &next, 10), fd);
    answer(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static size_t make_frame(char *frame, const char *body, size_t n) {
    size_t header = 0;
    frame[header++] = (char)0x81; // text, whole
    if (n < 126) {
        frame[header++] = (char)n;
    } else {
        frame[header++] = 126;
        frame[header++] = (char)(n >> 8);
        frame[header++] = (char)n;
    }
    memcpy(frame + header, body, n);
    return header + n;
}

static void publish(int fd, unsigned long channel, const char *body, size_t n) {
    static char frame[BODY + 4];
    const struct channel *c = &channels[channel % CHANNELS];
    size_t len = make_frame(frame, body, n);
    for (size_t i = 0; i < c->count; i++) {
        ssize_t sent = send(c->subscribers[i], frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; // the floor does not care; the load generator sees the loss
    }
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void request(int fd) {
    static char in[BODY + 4096];
    ssize_t n = recv(fd, in, sizeof in - 1, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) forget(fd);
        return;
    }
    in[n] = 0;
    const char *body = strstr(in, "\r\n\r\n");
    if (!body) return;
    body += 4;
    if (strncmp(in, "GET /", 5) == 0)
        upgrade(fd, in + 5);
    else if (strncmp(in, "POST /", 6) == 0)
        publish(fd, strtoul(in + 6, NULL, 10), body, (size_t)(in + n - body));
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, BACKLOG) < 0) die("listen");
    return fd;
}

static void watch(int epoll, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
}

static void take_connection(int epoll, int listener) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll, fd);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: floor PORT\n"), 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(0);
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                take_connection(epoll, listener);
            else
                request(events[i].data.fd);
        }
    }
}
