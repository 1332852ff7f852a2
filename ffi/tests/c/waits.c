/* Waits that another thread ends. */
#include <pthread.h>

#include "check.h"

struct wait {
    ringway_receiver *receiver;
    ringway_sender *sender;
    ringway_status status;
};

static void *receives(void *argument) {
    struct wait *wait = argument;
    char buffer[64];
    size_t length;
    wait->status = ringway_receiver_recv(wait->receiver, buffer, sizeof buffer, RINGWAY_FOR_EVER, &length);
    CHECK(strstr(ringway_last_error(), "interrupted") != NULL);
    return NULL;
}

static void *sends(void *argument) {
    struct wait *wait = argument;
    static const char block[1024];
    while ((wait->status = ringway_sender_send(wait->sender, block, sizeof block, RINGWAY_FOR_EVER)) == RINGWAY_OK) {
    }
    return NULL;
}

/* Ends a wait of another thread: often while it sleeps, always without a frame or room ever coming. */
static void ended(void *(*waits)(void *), struct wait *wait, ringway_interrupter *interrupter, int milliseconds) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, waits, wait) == 0);
    usleep(1000 * (unsigned)milliseconds);
    OK(ringway_interrupter_interrupt(interrupter));
    CHECK(pthread_join(thread, NULL) == 0 && wait->status == RINGWAY_INTERRUPTED);
}

static void in_any_wait(struct pair *pair, ringway_interrupter *interrupter) {
    ringway_receiver *receiver = pair->receiver[1];
    ringway_frame frame;
    ringway_part part;
    char buffer[64];
    size_t length;
    OK(ringway_interrupter_interrupt(interrupter));
    GIVES(RINGWAY_INTERRUPTED, ringway_receiver_next(receiver, RINGWAY_FOR_EVER, &frame));
    OK(ringway_interrupter_interrupt(interrupter));
    GIVES(RINGWAY_INTERRUPTED, ringway_receiver_open_batch(receiver, 3, LONG));
    OK(ringway_interrupter_interrupt(interrupter));
    GIVES(RINGWAY_INTERRUPTED, ringway_receiver_recv_many(receiver, buffer, sizeof buffer, &part, 1, LONG, &length));
    /* Once for each time, and not of a call that has what it asks for. */
    GIVES(RINGWAY_TIMED_OUT, ringway_receiver_next(receiver, 1000, &frame));
    OK(ringway_interrupter_interrupt(interrupter));
    OK(ringway_sender_send(pair->sender[0], "x", 1, 0));
    OK(ringway_receiver_recv(receiver, buffer, sizeof buffer, LONG, &length));
}

int main(void) {
    ringway_config *config = new_config();
    struct pair pair;
    for (int round = 0; round < 3; round++) {
        make_pair(&pair, config);
        ringway_interrupter *ends_receive, *ends_send;
        OK(ringway_receiver_interrupter(pair.receiver[1], &ends_receive));
        OK(ringway_sender_interrupter(pair.sender[0], &ends_send));
        struct wait wait = {pair.receiver[1], pair.sender[0], RINGWAY_OK};
        ended(receives, &wait, ends_receive, 20 * round);
        in_any_wait(&pair, ends_receive);
        ended(sends, &wait, ends_send, 20 * round);
        /* With something open there is nothing to ask it of. */
        void *space;
        ringway_interrupter *none;
        OK(ringway_sender_reserve(pair.sender[1], 8, 8, LONG, &space));
        GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_interrupter(pair.sender[1], &none));
        free_pair(&pair);
        /* The half is gone. */
        OK(ringway_interrupter_interrupt(ends_receive));
        OK(ringway_interrupter_interrupt(ends_send));
        ringway_interrupter_free(ends_receive);
        ringway_interrupter_free(ends_send);
    }
    ringway_config_free(config);
    puts("waits: ok");
    return 0;
}
