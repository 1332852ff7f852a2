/* Frames: copied, in place, in groups and batches, with deadlines, and how an end is told. */
#include <poll.h>

#include "check.h"

static void copies(struct pair *pair) {
    char buffer[256];
    size_t length = 7;
    for (size_t size = 0; size <= sizeof buffer; size++) {
        char bytes[256];
        memset(bytes, (int)size + 1, sizeof bytes);
        OK(ringway_sender_send(pair->sender[0], bytes, size, RINGWAY_FOR_EVER));
        OK(ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, LONG, &length));
        CHECK(length == size && memcmp(buffer, bytes, size) == 0);
        /* Into exactly as many. */
        OK(ringway_sender_send(pair->sender[0], bytes, size, 0));
        OK(ringway_receiver_recv(pair->receiver[1], buffer, size, 0, &length));
        CHECK(length == size && memcmp(buffer, bytes, size) == 0);
    }
    /* The shortest way, and where it does not lead on. */
    uint64_t word[8] = {1, 2, 3, 4, 5, 6, 7, 8}, copy[8];
    OK(ringway_send(pair->sender[0], word, sizeof word, RINGWAY_FOR_EVER));
    OK(ringway_recv(pair->receiver[1], copy, sizeof copy, RINGWAY_FOR_EVER, &length));
    CHECK(length == 64 && memcmp(word, copy, 64) == 0);
    OK(ringway_sender_send_64(pair->sender[0], word));
    OK(ringway_receiver_recv_64(pair->receiver[1], copy));
    CHECK(memcmp(word, copy, 64) == 0);
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_64(pair->receiver[1], copy));
    OK(ringway_sender_send_kind(pair->sender[0], 9, word, 64, 0));
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_64(pair->receiver[1], copy));
    OK(ringway_recv(pair->receiver[1], copy, 64, 0, &length));
    /* Outputs are written on success only. */
    length = 7;
    GIVES(RINGWAY_EMPTY, ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, RINGWAY_DO_NOT_WAIT, &length));
    GIVES(RINGWAY_TIMED_OUT, ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, 1000, &length));
    SAYS("deadline");
    /* The words stay where they are, whatever a call that succeeds has tried before. */
    const char *words = ringway_last_error();
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_64(pair->receiver[1], copy));
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_exact(pair->receiver[1], copy, 8));
    OK(ringway_sender_open_group(pair->sender[0]));
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_sender_send_64(pair->sender[0], word));
    OK(ringway_send(pair->sender[0], word, sizeof word, RINGWAY_FOR_EVER));
    OK(ringway_sender_publish(pair->sender[0]));
    OK(ringway_recv(pair->receiver[1], copy, sizeof copy, LONG, &length));
    CHECK(ringway_last_error() == words && strstr(words, "deadline") != NULL);
    length = 7;
    OK(ringway_sender_send(pair->sender[0], "abcdef", 6, 0));
    GIVES(RINGWAY_TRUNCATED, ringway_receiver_recv(pair->receiver[1], buffer, 5, LONG, &length));
    SAYS("6 bytes");
    CHECK(length == 7);
    OK(ringway_receiver_recv(pair->receiver[1], buffer, 6, 0, &length));
    CHECK(length == 6 && memcmp(buffer, "abcdef", 6) == 0);
    GIVES(RINGWAY_TOO_LARGE, ringway_sender_send(pair->sender[0], buffer, (size_t)1 << 40, 0));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_sender_send(pair->sender[0], buffer, SIZE_MAX, 0));
}

/* Where there are no bytes there need be no address. */
static void nothing(struct pair *pair) {
    ringway_sender *sender = pair->sender[0];
    ringway_receiver *receiver = pair->receiver[1];
    ringway_payload payloads[] = {{NULL, 0}, {"x", 1}};
    ringway_frame frame;
    ringway_part part;
    size_t length = 7;
    OK(ringway_sender_send(sender, NULL, 0, LONG));
    OK(ringway_send(sender, NULL, 0, LONG));
    OK(ringway_sender_send_kind(sender, 3, NULL, 0, LONG));
    OK(ringway_sender_send_expiring(sender, 0, NULL, 0, 60 * SECOND));
    OK(ringway_sender_send_many(sender, payloads, 2, LONG, &length));
    CHECK(length == 2);
    OK(ringway_sender_send_many(sender, NULL, 0, LONG, &length));
    CHECK(length == 0);
    OK(ringway_receiver_recv(receiver, NULL, 0, LONG, &length));
    OK(ringway_receiver_recv_exact(receiver, NULL, 0));
    OK(ringway_receiver_next(receiver, LONG, &frame));
    CHECK(frame.kind == 3 && frame.length == 0);
    OK(ringway_receiver_copy(receiver, 0, NULL, 0, &length));
    CHECK(length == 0);
    OK(ringway_receiver_release(receiver));
    OK(ringway_receiver_recv_many(receiver, NULL, 0, &part, 1, LONG, &length));
    CHECK(length == 1 && part.length == 0);
    OK(ringway_receiver_recv(receiver, NULL, 0, LONG, &length));
    /* One byte has none to go to. */
    GIVES(RINGWAY_TRUNCATED, ringway_receiver_recv(receiver, NULL, 0, LONG, &length));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_receiver_recv(receiver, NULL, 1, LONG, &length));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_sender_send(sender, NULL, 1, LONG));
    SAYS("`data` is NULL");
    char byte;
    OK(ringway_receiver_recv(receiver, &byte, 1, LONG, &length));
    CHECK(byte == 'x');
}

static void in_place(struct pair *pair) {
    void *space;
    OK(ringway_sender_reserve(pair->sender[0], 100, 8, LONG, &space));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_send(pair->sender[0], "x", 1, 0));
    SAYS("a reservation is open");
    uint64_t word[8] = {0};
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_sender_send_64(pair->sender[0], word));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_reserve(pair->sender[0], 100, 8, LONG, &space));
    GIVES(RINGWAY_ALIGNMENT, ringway_sender_reserve(pair->sender[1], 100, 3, RINGWAY_FOR_EVER, &space));
    GIVES(RINGWAY_ALIGNMENT, ringway_sender_reserve(pair->sender[1], 100, 0, RINGWAY_FOR_EVER, &space));
    bool armed;
    for (size_t less = 0; less <= 24; less++) {
        GIVES(RINGWAY_TOO_LARGE, ringway_sender_reserve(pair->sender[1], SIZE_MAX - less, 8, RINGWAY_FOR_EVER, &space));
        GIVES(RINGWAY_TOO_LARGE, ringway_sender_reserve(pair->sender[1], SIZE_MAX - less, 8, 0, &space));
        GIVES(RINGWAY_TOO_LARGE, ringway_sender_arm(pair->sender[1], SIZE_MAX - less, &armed));
        GIVES(RINGWAY_TOO_LARGE, ringway_sender_arm_aligned(pair->sender[1], SIZE_MAX - less, 8, &armed));
    }
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_sender_commit(pair->sender[0], 101, 0));
    memcpy(space, "in place", 8);
    OK(ringway_sender_commit(pair->sender[0], 8, 3));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_commit(pair->sender[0], 8, 3));
    OK(ringway_sender_reserve(pair->sender[0], 100, 8, 0, &space));
    OK(ringway_sender_abort(pair->sender[0]));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_abort(pair->sender[0]));
    OK(ringway_sender_reserve(pair->sender[0], 0, 8, 0, &space));
    OK(ringway_sender_commit(pair->sender[0], 0, 0));

    ringway_frame frame;
    OK(ringway_receiver_next(pair->receiver[1], LONG, &frame));
    CHECK(frame.length == 8 && frame.kind == 3 && frame.priority == 0 && frame.redelivery == 0);
    uint64_t position = frame.position;
    char buffer[16];
    size_t copied;
    OK(ringway_receiver_copy(pair->receiver[1], 3, buffer, sizeof buffer, &copied));
    CHECK(copied == 5 && memcmp(buffer, "place", 5) == 0);
    OK(ringway_receiver_copy(pair->receiver[1], 9, buffer, sizeof buffer, &copied));
    CHECK(copied == 0);
    const void *bytes;
    OK(ringway_receiver_trusted(pair->receiver[1], &bytes, &copied));
    CHECK(copied == 8 && memcmp(bytes, "in place", 8) == 0);
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_next(pair->receiver[1], 0, &frame));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, 0, &copied));
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_64(pair->receiver[1], word));
    OK(ringway_receiver_release(pair->receiver[1]));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_release(pair->receiver[1]));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_copy(pair->receiver[1], 0, buffer, sizeof buffer, &copied));
    OK(ringway_receiver_next(pair->receiver[1], LONG, &frame));
    CHECK(frame.length == 0 && frame.position > position);
    OK(ringway_receiver_trusted(pair->receiver[1], &bytes, &copied));
    CHECK(copied == 0);
    OK(ringway_receiver_release(pair->receiver[1]));
}

static void groups(struct pair *pair) {
    size_t length;
    char buffer[64];
    OK(ringway_sender_open_group(pair->sender[0]));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_open_group(pair->sender[0]));
    OK(ringway_sender_send(pair->sender[0], "one", 3, 0));
    void *space;
    OK(ringway_sender_reserve(pair->sender[0], 5, 8, RINGWAY_FOR_EVER, &space));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_publish(pair->sender[0]));
    memcpy(space, "three", 5);
    OK(ringway_sender_commit(pair->sender[0], 5, 0));
    uint64_t word[8] = {0};
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_sender_send_64(pair->sender[0], word));
    GIVES(RINGWAY_EMPTY, ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, 0, &length));
    OK(ringway_sender_publish(pair->sender[0]));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_publish(pair->sender[0]));
    OK(ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, 0, &length));
    CHECK(length == 3);
    OK(ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, 0, &length));
    CHECK(length == 5 && memcmp(buffer, "three", 5) == 0);

    /* No wait in a group is for ever, whatever is added to it. */
    static const int64_t waits[] = {0, 1000000, RINGWAY_FOR_EVER};
    static char large[1 << 10];
    ringway_frame frame;
    OK(ringway_sender_open_group(pair->sender[0]));
    for (uint16_t wait = 0; wait < 3; wait++) {
        OK(ringway_sender_send_kind(pair->sender[0], 1 + wait, "kind", 4, waits[wait]));
        OK(ringway_sender_reserve(pair->sender[0], 4, 8, waits[wait], &space));
        memcpy(space, "line", 4);
        OK(ringway_sender_commit(pair->sender[0], 4, 4 + wait));
    }
    OK(ringway_sender_publish(pair->sender[0]));
    for (uint16_t wait = 0; wait < 3; wait++) {
        OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
        CHECK(frame.kind == 1 + wait);
        OK(ringway_receiver_release(pair->receiver[1]));
        OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
        CHECK(frame.kind == 4 + wait);
        OK(ringway_receiver_release(pair->receiver[1]));
    }
    OK(ringway_sender_open_group(pair->sender[0]));
    size_t sent = 0;
    ringway_status full;
    while ((full = ringway_sender_send_kind(pair->sender[0], 1, large, sizeof large, 0)) == RINGWAY_OK) sent++;
    CHECK(full == RINGWAY_FULL);
    GIVES(RINGWAY_FULL, ringway_sender_reserve(pair->sender[0], sizeof large, 8, 0, &space));
    GIVES(RINGWAY_TIMED_OUT, ringway_sender_send_kind(pair->sender[0], 1, large, sizeof large, 1000000));
    GIVES(RINGWAY_TIMED_OUT, ringway_sender_reserve(pair->sender[0], sizeof large, 8, 1000000, &space));
    OK(ringway_sender_publish(pair->sender[0]));
    while (sent-- > 0) {
        OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
        OK(ringway_receiver_release(pair->receiver[1]));
    }
}

static void batches(struct pair *pair) {
    ringway_payload payloads[] = {{"a", 1}, {"bcd", 3}, {"", 0}, {"efghijklm", 9}};
    size_t count;
    OK(ringway_sender_send_many(pair->sender[0], payloads, 4, LONG, &count));
    CHECK(count == 4);
    char buffer[64];
    ringway_part parts[8];
    OK(ringway_receiver_recv_many(pair->receiver[1], buffer, sizeof buffer, parts, 8, LONG, &count));
    CHECK(count == 4);
    for (size_t part = 0; part < count; part++) {
        CHECK(parts[part].length == payloads[part].length && parts[part].offset % 8 == 0);
        CHECK(memcmp(buffer + parts[part].offset, payloads[part].data, parts[part].length) == 0);
    }
    /* No place is but a multiple of 8, however long the buffer is. */
    OK(ringway_sender_send_many(pair->sender[0], payloads + 1, 2, LONG, &count));
    OK(ringway_receiver_recv_many(pair->receiver[1], buffer, 5, parts, 8, LONG, &count));
    CHECK(count == 1 && parts[0].length == 3);
    OK(ringway_receiver_recv_many(pair->receiver[1], buffer, 5, parts, 8, LONG, &count));
    CHECK(count == 1 && parts[0].length == 0);
    /* What does not fit any more comes with the next call. */
    OK(ringway_sender_send_many(pair->sender[0], payloads, 4, LONG, &count));
    OK(ringway_receiver_recv_many(pair->receiver[1], buffer, 12, parts, 8, LONG, &count));
    CHECK(count == 2);
    OK(ringway_receiver_recv_many(pair->receiver[1], buffer, sizeof buffer, parts, 1, LONG, &count));
    CHECK(count == 1 && parts[0].length == 0);
    OK(ringway_receiver_recv_many(pair->receiver[1], buffer, sizeof buffer, parts, 8, LONG, &count));
    CHECK(count == 1 && parts[0].length == 9);
    GIVES(RINGWAY_EMPTY, ringway_receiver_recv_many(pair->receiver[1], buffer, sizeof buffer, parts, 8, 0, &count));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_receiver_recv_many(pair->receiver[1], buffer, sizeof buffer, parts, 0, 0, &count));
    /* One that is refused before anything is sent. */
    ringway_payload bad[] = {{"a", 1}, {NULL, 3}};
    count = 7;
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_sender_send_many(pair->sender[0], bad, 2, LONG, &count));
    CHECK(count == 0);
    static char large[1 << 20];
    ringway_payload mixed[] = {{"abcdefgh", 8}, {large, sizeof large}};
    count = 7;
    GIVES(RINGWAY_TOO_LARGE, ringway_sender_send_many(pair->sender[0], mixed, 2, LONG, &count));
    SAYS("1048576");
    CHECK(count == 0);
    OK(ringway_sender_open_group(pair->sender[0]));
    count = 7;
    GIVES(RINGWAY_OUT_OF_TURN, ringway_sender_send_many(pair->sender[0], payloads, 1, LONG, &count));
    CHECK(count == 0);
    OK(ringway_sender_publish(pair->sender[0]));
    GIVES(RINGWAY_EMPTY, ringway_receiver_recv(pair->receiver[1], buffer, sizeof buffer, 0, &count));

    /* Frames in place, released together. */
    OK(ringway_sender_send_many(pair->sender[0], payloads, 4, LONG, &count));
    OK(ringway_receiver_open_batch(pair->receiver[1], 3, LONG));
    ringway_frame frame;
    for (int part = 0; part < 3; part++) {
        OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
        CHECK(frame.length == payloads[part].length);
    }
    GIVES(RINGWAY_EMPTY, ringway_receiver_next(pair->receiver[1], LONG, &frame));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_open_batch(pair->receiver[1], 3, LONG));
    OK(ringway_receiver_end_batch(pair->receiver[1]));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_end_batch(pair->receiver[1]));
    OK(ringway_receiver_next(pair->receiver[1], LONG, &frame));
    CHECK(frame.length == 9);
    OK(ringway_receiver_release(pair->receiver[1]));
}

static void held(struct pair *pair) {
    ringway_frame frame;
    uint64_t back;
    OK(ringway_receiver_hold(pair->receiver[1], true));
    OK(ringway_sender_send(pair->sender[0], "1", 1, 0));
    OK(ringway_sender_send(pair->sender[0], "22", 2, 0));
    OK(ringway_receiver_next(pair->receiver[1], LONG, &frame));
    OK(ringway_receiver_release(pair->receiver[1]));
    OK(ringway_receiver_next(pair->receiver[1], LONG, &frame));
    CHECK(frame.length == 2);
    /* The one that is open stays so where there is no other. */
    GIVES(RINGWAY_EMPTY, ringway_receiver_next(pair->receiver[1], 0, &frame));
    GIVES(RINGWAY_TIMED_OUT, ringway_receiver_next(pair->receiver[1], 1000, &frame));
    char bytes[4];
    size_t copied;
    OK(ringway_receiver_copy(pair->receiver[1], 0, bytes, sizeof bytes, &copied));
    CHECK(copied == 2 && memcmp(bytes, "22", 2) == 0);
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_rewind(pair->receiver[1], &back));
    OK(ringway_sender_send(pair->sender[0], "333", 3, 0));
    OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
    CHECK(frame.length == 3);
    OK(ringway_receiver_release(pair->receiver[1]));
    OK(ringway_sender_send(pair->sender[0], "22", 2, 0));
    OK(ringway_receiver_recv(pair->receiver[1], bytes, sizeof bytes, 0, &copied));
    OK(ringway_receiver_rewind(pair->receiver[1], &back));
    CHECK(back == 16);
    OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
    CHECK(frame.length == 2);
    OK(ringway_receiver_release(pair->receiver[1]));
    OK(ringway_receiver_hold(pair->receiver[1], false));
    OK(ringway_receiver_rewind(pair->receiver[1], &back));
    CHECK(back == 0);
}

static void event_loop(struct pair *pair) {
    bool armed = false;
    struct pollfd entry = {.events = POLLIN};
    OK(ringway_receiver_descriptor(pair->receiver[1], &entry.fd));
    OK(ringway_receiver_arm(pair->receiver[1], &armed));
    CHECK(armed && poll(&entry, 1, 0) == 0);
    OK(ringway_sender_send(pair->sender[0], "wake", 4, 0));
    CHECK(poll(&entry, 1, 60000) == 1);
    OK(ringway_receiver_arm(pair->receiver[1], &armed));
    CHECK(!armed);
    ringway_frame frame;
    OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
    OK(ringway_receiver_release(pair->receiver[1]));
    /* The other way: until there is room. */
    ringway_half about;
    OK(ringway_sender_about(pair->sender[0], &about));
    CHECK(about.capacity >= 4096 && about.max_payload < about.capacity && about.priorities == 1 && about.peer.pid == (int)getpid());
    OK(ringway_receiver_about(pair->receiver[1], &about));
    char block[1024] = {0};
    ringway_status status;
    size_t sent = 0;
    while ((status = ringway_sender_send(pair->sender[0], block, sizeof block, RINGWAY_DO_NOT_WAIT)) == RINGWAY_OK) sent++;
    CHECK(status == RINGWAY_FULL && sent > 0);
    SAYS("full");
    GIVES(RINGWAY_TIMED_OUT, ringway_sender_send(pair->sender[0], block, sizeof block, 1000));
    OK(ringway_sender_descriptor(pair->sender[0], &entry.fd));
    OK(ringway_sender_arm(pair->sender[0], sizeof block, &armed));
    CHECK(armed);
    for (; sent > 0; sent--) {
        OK(ringway_receiver_next(pair->receiver[1], 0, &frame));
        OK(ringway_receiver_release(pair->receiver[1]));
    }
    CHECK(poll(&entry, 1, 60000) == 1);
    OK(ringway_sender_arm(pair->sender[0], sizeof block, &armed));
    CHECK(!armed);
}

/* A pad takes room too: a loop that reserves what is aligned sleeps until there is as much, and a wait ends with its time. */
static void aligned(void) {
    ringway_config *config;
    struct pair pair;
    ringway_frame frame;
    char block[1000] = {0};
    void *space;
    bool armed;
    config = new_config();
    OK(ringway_config_set(config, RINGWAY_ALIGNMENT_MOST, 64));
    OK(ringway_config_set(config, RINGWAY_CAPACITY, 4096));
    OK(ringway_config_set(config, RINGWAY_PEER_CAPACITY, 4096));
    make_pair(&pair, config);
    ringway_sender *sender = pair.sender[0];
    /* What 40 bytes take is left, and nothing for a pad. */
    for (int each = 0; each < 4; each++) OK(ringway_sender_send(sender, block, sizeof block, 0));
    OK(ringway_sender_send(sender, NULL, 0, 0));
    GIVES(RINGWAY_FULL, ringway_sender_reserve(sender, 40, 64, RINGWAY_DO_NOT_WAIT, &space));
    GIVES(RINGWAY_TIMED_OUT, ringway_sender_reserve(sender, 40, 64, 1000, &space));
    GIVES(RINGWAY_ALIGNMENT, ringway_sender_reserve(sender, 40, 128, 0, &space));
    GIVES(RINGWAY_ALIGNMENT, ringway_sender_arm_aligned(sender, 40, 128, &armed));
    GIVES(RINGWAY_ALIGNMENT, ringway_sender_arm_aligned(sender, 40, 3, &armed));
    OK(ringway_sender_arm_aligned(sender, 40, 1, &armed));
    CHECK(!armed);
    OK(ringway_sender_arm(sender, 40, &armed));
    CHECK(!armed);
    OK(ringway_sender_arm_aligned(sender, 40, 64, &armed));
    CHECK(armed);
    struct pollfd entry = {.events = POLLIN};
    OK(ringway_sender_descriptor(sender, &entry.fd));
    CHECK(poll(&entry, 1, 0) == 0);
    for (int each = 0; each < 5; each++) {
        OK(ringway_receiver_next(pair.receiver[1], LONG, &frame));
        OK(ringway_receiver_release(pair.receiver[1]));
    }
    CHECK(poll(&entry, 1, 60000) == 1);
    OK(ringway_sender_arm_aligned(sender, 40, 64, &armed));
    CHECK(!armed);
    OK(ringway_sender_reserve(sender, 40, 64, RINGWAY_DO_NOT_WAIT, &space));
    CHECK((uintptr_t)space % 64 == 0);
    OK(ringway_sender_abort(sender));
    /* Alone, and in a group. */
    for (int grouped = 0; grouped < 2; grouped++) {
        static const int64_t waits[] = {0, 30 * SECOND, RINGWAY_FOR_EVER};
        if (grouped) OK(ringway_sender_open_group(sender));
        for (int wait = 0; wait < 3; wait++) {
            OK(ringway_sender_reserve(sender, 40, 64, waits[wait], &space));
            CHECK((uintptr_t)space % 64 == 0);
            OK(ringway_sender_abort(sender));
        }
    }
    OK(ringway_sender_publish(sender));
    free_pair(&pair);
    ringway_config_free(config);
}

static void priorities(void) {
    ringway_config *config;
    struct pair pair;
    ringway_frame frame;
    config = new_config();
    OK(ringway_config_set(config, RINGWAY_LANES, 2));
    make_pair(&pair, config);
    OK(ringway_sender_set_priority(pair.sender[0], 1));
    OK(ringway_sender_send(pair.sender[0], "later", 5, 0));
    OK(ringway_sender_set_priority(pair.sender[0], 0));
    OK(ringway_sender_send(pair.sender[0], "now", 3, 0));
    GIVES(RINGWAY_PRIORITY, ringway_sender_set_priority(pair.sender[0], 2));
    SAYS("priority 2");
    OK(ringway_receiver_next(pair.receiver[1], LONG, &frame));
    CHECK(frame.length == 3 && frame.priority == 0);
    OK(ringway_receiver_release(pair.receiver[1]));
    OK(ringway_receiver_next(pair.receiver[1], LONG, &frame));
    CHECK(frame.length == 5 && frame.priority == 1);
    OK(ringway_receiver_release(pair.receiver[1]));
    OK(ringway_sender_send_expiring(pair.sender[0], 4, "soon", 4, 60 * SECOND));
    OK(ringway_receiver_next(pair.receiver[1], LONG, &frame));
    CHECK(frame.length == 4 && frame.kind == 4);
    /* With everything open. */
    OK(ringway_sender_open_group(pair.sender[0]));
    void *space;
    OK(ringway_sender_reserve(pair.sender[0], 5, 8, RINGWAY_FOR_EVER, &space));
    OK(ringway_sender_send(pair.sender[1], "x", 1, 0));
    OK(ringway_receiver_open_batch(pair.receiver[0], 3, LONG));
    free_pair(&pair);
    ringway_config_free(config);
}

/* What is copied out is with its handler until that says otherwise: what it is to the next server, `src/frame/left.rs` tells. */
static void resumable(void) {
    ringway_config *config;
    struct pair pair;
    char buffer[8];
    size_t length;
    config = new_config();
    OK(ringway_config_set(config, RINGWAY_RESUMABLE, 1));
    make_pair(&pair, config);
    for (int again = 0; again < 2; again++) {
        OK(ringway_sender_send(pair.sender[1], "request", 7, 0));
        OK(ringway_receiver_recv(pair.receiver[0], buffer, sizeof buffer, LONG, &length));
        CHECK(length == 7);
        OK(ringway_receiver_release(pair.receiver[0]));
    }
    OK(ringway_receiver_release(pair.receiver[0]));
    OK(ringway_sender_send(pair.sender[1], "request", 7, 0));
    OK(ringway_receiver_open_batch(pair.receiver[0], 3, LONG));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_release(pair.receiver[0]));
    OK(ringway_receiver_end_batch(pair.receiver[0]));
    free_pair(&pair);
    ringway_config_free(config);
}

static void ends(void) {
    ringway_config *config;
    struct pair pair;
    ringway_frame frame;
    config = new_config();
    make_pair(&pair, config);
    OK(ringway_sender_check(pair.sender[0]));
    OK(ringway_sender_send(pair.sender[0], "last", 4, 0));
    ringway_sender_free(pair.sender[0]);
    pair.sender[0] = NULL;
    OK(ringway_receiver_next(pair.receiver[1], LONG, &frame));
    OK(ringway_receiver_release(pair.receiver[1]));
    GIVES(RINGWAY_CLOSED, ringway_receiver_next(pair.receiver[1], LONG, &frame));
    ringway_receiver_free(pair.receiver[0]);
    pair.receiver[0] = NULL;
    ringway_status status;
    while ((status = ringway_sender_send(pair.sender[1], "x", 1, LONG)) == RINGWAY_OK) {
    }
    CHECK(status == RINGWAY_CLOSED);
    SAYS("closed");
    GIVES(RINGWAY_CLOSED, ringway_sender_check(pair.sender[1]));
    free_pair(&pair);
    ringway_config_free(config);
}

int main(void) {
    ringway_config *config;
    struct pair pair;
    CHECK(ringway_abi_version() >= RINGWAY_ABI_VERSION);
    config = new_config();
    make_pair(&pair, config);
    copies(&pair);
    nothing(&pair);
    in_place(&pair);
    groups(&pair);
    batches(&pair);
    held(&pair);
    event_loop(&pair);
    free_pair(&pair);
    ringway_config_free(config);
    aligned();
    priorities();
    resumable();
    ends();
    puts("exchange: ok");
    return 0;
}
