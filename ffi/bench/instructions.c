/* Instructions of one frame of 64 bytes in C: filled, sent, received and copied out, in one process. `cargo xtask instructions` runs it under callgrind with two counts of frames and divides
 * the difference; it is the loop of `ringway bench instructions`, call for call. */

#include <pthread.h>
#include <ringway.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOR_EVER (-1)

static void must(ringway_status status, const char *what) {
    if (status != RINGWAY_OK) {
        fprintf(stderr, "%s: %s\n", what, ringway_last_error());
        exit(1);
    }
}

/* Makes the compiler write everything that the words hold, as a reader would have it. */
static inline void observe(const uint64_t *words) {
    __asm__ volatile("" : : "r"(words) : "memory");
}

struct other {
    const char *path;
    ringway_connection *connection;
};

static void *join(void *argument) {
    struct other *other = argument;
    ringway_config *config;
    must(ringway_config_new(&config), "options");
    must(ringway_connect(config, other->path, &other->connection), "connecting");
    ringway_config_free(config);
    return NULL;
}

/* Apart: loops in one function share its registers. */
__attribute__((noinline)) static bool repeat(ringway_sender *sender, ringway_receiver *receiver, uint64_t frames) {
    uint64_t buffer[8];
    size_t length;
    for (uint64_t n = frames; n != 0; n--) {
        const uint64_t payload[8] = {n, n, n, n, n, n, n, n};
        observe(payload);
        if (ringway_send(sender, payload, sizeof payload, FOR_EVER) != RINGWAY_OK) return false;
        if (ringway_recv(receiver, buffer, sizeof buffer, FOR_EVER, &length) != RINGWAY_OK) return false;
        observe(buffer);
    }
    return true;
}

static bool exchange(ringway_sender *sender, ringway_receiver *receiver, uint64_t frames) {
    uint64_t buffer[8];
    size_t length;
    for (uint64_t n = 0; n < 100; n++) {
        uint64_t payload[8];
        for (unsigned place = 0; place < 8; place++) payload[place] = ~n << place;
        must(ringway_sender_send(sender, payload, sizeof payload, FOR_EVER), "sending");
        must(ringway_receiver_recv(receiver, buffer, sizeof buffer, FOR_EVER, &length), "receiving");
        if (length != sizeof payload || memcmp(buffer, payload, sizeof payload) != 0) {
            fprintf(stderr, "a frame is not what was sent\n");
            return false;
        }
    }
    return repeat(sender, receiver, frames);
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: %s PATH FRAMES\n", words[0]);
        return 2;
    }
    ringway_config *config;
    ringway_listener *listener;
    must(ringway_config_new(&config), "options");
    must(ringway_bind(config, words[1], &listener), "listening");
    struct other other = {.path = words[1]};
    pthread_t thread;
    if (pthread_create(&thread, NULL, join, &other) != 0) return 1;
    ringway_connection *connection;
    must(ringway_listener_accept(listener, FOR_EVER, &connection), "accepting");
    pthread_join(thread, NULL);

    ringway_sender *sender, *idle_sender;
    ringway_receiver *receiver, *idle_receiver;
    must(ringway_connection_split(connection, &idle_sender, &receiver), "splitting");
    must(ringway_connection_split(other.connection, &sender, &idle_receiver), "splitting");

    if (!exchange(sender, receiver, strtoull(words[2], NULL, 10))) return 1;
    ringway_sender_free(sender);
    ringway_sender_free(idle_sender);
    ringway_receiver_free(receiver);
    ringway_receiver_free(idle_receiver);
    ringway_listener_free(listener);
    ringway_config_free(config);
    return 0;
}
