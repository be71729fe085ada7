/*
 * The two ends of the UDP bench, compiled by bench/udp.py with cc.
 *
 *   udp echo PORT                          a recvfrom/sendto loop on 127.0.0.1
 *   udp ask PORT COUNT WINDOW              COUNT questions of 64 bytes, WINDOW at a time,
 *                                          each from an address of its own (127.0.1.*)
 *   udp flood PORT SECONDS RATE BYTES      RATE datagrams a second, answers thrown away
 *
 * ask prints: answers, lost, seconds, p50 and p99 in microseconds. Every run is bounded.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { SIZE = 64, MOST = 128 };
static char buffer[65536];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int bound(in_addr_t host, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(host);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a)) { perror("bind"); exit(2); }
    return s;
}

static int asking(in_addr_t host, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = bound(host, 0);
    if (connect(s, (struct sockaddr *)&a, sizeof a)) { perror("connect"); exit(2); }
    return s;
}

static void echo(int port) {
    int s = bound(INADDR_LOOPBACK, port);
    for (;;) {
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        ssize_t n = recvfrom(s, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
        if (n >= 0) sendto(s, buffer, n, 0, (struct sockaddr *)&from, length);
    }
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int ask(int port, int count, int window) {
    int poll = epoll_create1(0), fd[MOST], sent = 0, got = 0, lost = 0;
    double at[MOST], start = now();
    float *took = calloc(count, sizeof *took);
    for (int i = 0; i < window; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        fd[i] = asking(0x7f000101 + i, port);
        epoll_ctl(poll, EPOLL_CTL_ADD, fd[i], &e);
        at[i] = now();
        send(fd[i], buffer, SIZE, 0);
        sent++;
    }
    while (got + lost < count) {
        struct epoll_event event[MOST];
        int n = epoll_wait(poll, event, MOST, 200);
        for (int k = 0; k < n; k++) {
            int i = event[k].data.u32;
            if (recv(fd[i], buffer, sizeof buffer, MSG_DONTWAIT) < 0) continue;
            double t = now();
            if (got < count) took[got++] = (t - at[i]) * 1e6;
            if (sent < count) { at[i] = t; send(fd[i], buffer, SIZE, 0); sent++; }
        }
        if (n == 0) { /* silence: what is under way is lost, ask anew */
            int gone = sent - got - lost;
            lost += gone;
            for (int i = 0; i < gone && sent < count; i++, sent++) {
                at[i] = now();
                send(fd[i], buffer, SIZE, 0);
            }
        }
        if (now() - start > 60) break;
    }
    double seconds = now() - start;
    qsort(took, got, sizeof *took, ascending);
    printf("%d %d %f %f %f\n", got, lost, seconds, got ? took[got / 2] : 0,
           got ? took[got * 99L / 100] : 0);
    return 0;
}

static int flood(int port, double seconds, double rate, int bytes) {
    int s = asking(0x7f000201, port);
    long sent = 0;
    double start = now(), t;
    while ((t = now() - start) < seconds) {
        if (sent < t * rate) { send(s, buffer, bytes, MSG_DONTWAIT); sent++; }
        else {
            struct timespec nap = {0, 50000};
            nanosleep(&nap, NULL);
        }
    }
    printf("%ld\n", sent);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "echo")) echo(atoi(argv[2]));
    if (argc == 5 && !strcmp(argv[1], "ask") && atoi(argv[4]) <= MOST)
        return ask(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    if (argc == 6 && !strcmp(argv[1], "flood"))
        return flood(atoi(argv[2]), atof(argv[3]), atof(argv[4]), atoi(argv[5]));
    fprintf(stderr, "udp echo PORT | ask PORT COUNT WINDOW | flood PORT SECONDS RATE BYTES\n");
    return 2;
}
