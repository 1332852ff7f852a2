/* The cases that `ringway chaos` torments: frames both ways without end, until the other side is killed.
 *
 * What both sides count is in a file of each, written around every call: it outlives whoever is killed. */
#include "actor.h"

#include <dirent.h>
#include <fcntl.h>

/* Frames that were about to be sent, that were sent, and that were taken. */
static int file;
static uint64_t tried, sent, taken;

static void tell(int line, uint64_t number) {
    char text[22];
    snprintf(text, sizeof text, "%020llu\n", (unsigned long long)number);
    if (pwrite(file, text, 21, line * 21) != 21) exit(1);
}

static void will_send(uint64_t count) { tell(0, tried += count); }
static void has_sent(uint64_t count) { tell(1, sent += count); }

/* How many frames a burst has. */
static uint64_t burst(uint64_t number) { return 1 + number * 7 % 24; }

/* A frame: its number, and bytes of all values. Returns its length. */
static size_t frame(uint64_t number, uint8_t *bytes) {
    size_t length = number % 50 == 49 ? 5008 : 8 + number * 37 % 300;
    for (size_t at = 0; at < length; at++) bytes[at] = (uint8_t)((at * 7 + length) % 251);
    for (int at = 0; at < 8; at++) bytes[at] = (uint8_t)(number >> 8 * at);
    return length;
}

/* A frame that is the next one, whole. */
static void takes(const uint8_t *found, size_t length) {
    static uint8_t due[5008];
    if (length != frame(taken, due) || memcmp(found, due, length) != 0) {
        uint64_t number = 0;
        for (size_t at = 0; at < 8 && at < length; at++) number |= (uint64_t)found[at] << 8 * at;
        printf("a frame of %zu bytes, number %llu, where number %llu was due\n", length, (unsigned long long)number, (unsigned long long)taken);
        exit(1);
    }
    tell(2, ++taken);
}

/* A burst: one by one, in place, or together. */
static ringway_status send(ringway_sender *sender, uint64_t number) {
    static uint8_t frames[24][5008];
    ringway_payload payloads[24];
    size_t count = burst(number), went = 0;
    ringway_status status;
    for (size_t at = 0; at < count; at++) payloads[at] = (ringway_payload){frames[at], frame(tried + at, frames[at])};
    if (number % 3 == 2) {
        will_send(count);
        status = ringway_sender_send_many(sender, payloads, count, LONG, &went);
        has_sent(went);
        return status;
    }
    for (size_t at = 0; at < count; at++) {
        const uint8_t *start = frames[at];
        size_t length = payloads[at].length;
        will_send(1);
        /* A fault is planted: this one is said to be sent, and is not. */
        if (tried % 100 == 30 && getenv("RINGWAY_ACTOR_LOSES")) status = RINGWAY_OK;
        else if (number % 3 == 0) status = ringway_sender_send(sender, start, length, LONG);
        else {
            void *room;
            status = ringway_sender_reserve(sender, length, 8, LONG, &room);
            if (status == RINGWAY_OK) {
                memcpy(room, start, length);
                status = ringway_sender_commit(sender, length, 0);
            }
        }
        if (status != RINGWAY_OK) return status;
        has_sent(1);
    }
    return RINGWAY_OK;
}

static ringway_status receive(ringway_receiver *receiver, bool together, uint64_t most) {
    static uint8_t buffer[24 * 5008];
    ringway_part parts[24];
    size_t count = 1, length;
    ringway_status status;
    if (!together) {
        status = ringway_receiver_recv(receiver, buffer, sizeof buffer, LONG, &length);
        if (status == RINGWAY_OK) takes(buffer, length);
        return status;
    }
    status = ringway_receiver_recv_many(receiver, buffer, sizeof buffer, parts, most < 24 ? most : 24, LONG, &count);
    for (size_t at = 0; status == RINGWAY_OK && at < count; at++) takes(buffer + parts[at].offset, parts[at].length);
    return status;
}

/* What the receiving half is told at the end. */
static ringway_status exchange(struct ends ends) {
    for (uint64_t number = 0;; number++) {
        uint64_t until = taken + burst(number);
        if (send(ends.sender, number) != RINGWAY_OK) until = UINT64_MAX;
        while (taken < until) {
            ringway_status status = receive(ends.receiver, number % 2 == 1, until - taken);
            if (status != RINGWAY_OK) return status;
        }
    }
}

static int descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

static int mappings(void) {
    char line[500];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) count += strstr(line, "memfd:ringway") != NULL;
    fclose(maps);
    return count;
}

/* A labelled step of ours. */
static void step(const char *label) {
    const char *line = getenv("RINGWAY_CHAOS");
    char answer;
    if (!line) return;
    int descriptor = atoi(line);
    if (write(descriptor, label, strlen(label)) < 0 || read(descriptor, &answer, 1) < 0) exit(1);
}

void endless(bool serves, const char *address, const ringway_config *config) {
    char path[300];
    snprintf(path, sizeof path, "%s.%s.counts", address, serves ? "serve" : "connect");
    file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (int line = 0; line < 3; line++) tell(line, 0);
    /* What a process keeps to its end is made for its first connection. */
    snprintf(path, sizeof path, "%s.first", address);
    struct ends ends = meet(serves, path, config);
    ringway_sender_free(ends.sender);
    ringway_receiver_free(ends.receiver);
    int open_before = descriptors(), mapped_before = mappings();
    ends = meet(serves, address, config);
    step("met");
    printf("%s\n", name_of(exchange(ends)));
    printf("%s\n", name_of(ringway_sender_check(ends.sender)));
    ringway_sender_free(ends.sender);
    ringway_receiver_free(ends.receiver);
    printf("%d descriptors and %d mappings\n", descriptors() - open_before, mappings() - mapped_before);
}
