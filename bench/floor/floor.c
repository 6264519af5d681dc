// The floor: the cost of one send() per delivery, in a server that does nothing else.
//
// One thread, one epoll. The body of a POST becomes one WebSocket frame, which is sent to each
// subscriber of the channel with one send() call. It is not a usable server, because it leaves out:
//
//   - slow or full connections: bytes that the socket does not accept at once are lost, and an
//     incomplete frame breaks its connection
//   - checks of the handshake, the requests, the JSON and the UTF-8; a request that arrives in two
//     pieces is not put together
//   - frames from subscribers: pings, pongs, closes, joins
//   - tokens, history, limits, metrics, timeouts, more than one core
//   - leaving a channel (a connection that ends leaves all)
//
// A server that also makes one send() per delivery cannot be faster. A server that is much faster
// makes fewer.
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
#define BODY 65535u // the longest body of a frame with two bytes of length

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

// The accept key for the sample key of RFC 6455, which the load generator sends.
static void upgrade(int fd, const char *list) {
    for (char *next = (char *)list; *next >= '0' && *next <= '9'; next += *next == ',')
        subscribe(strtoul(next, &next, 10), fd);
    answer(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static size_t make_frame(char *frame, const char *body, size_t n) {
    size_t header = 0;
    frame[header++] = (char)0x81; // text, final frame
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
        (void)sent; // the floor ignores errors; the load generator counts the loss
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
