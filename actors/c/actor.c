/* One side of a case of `actors/cases.txt`: `actor SERVE|CONNECT CASE ADDRESS`. What it receives it prints, and sends back where the case has it so. */
#include "actor.h"

#include <signal.h>
#include <time.h>

static void rest(long millis) {
    nanosleep(&(struct timespec){millis / 1000, millis % 1000 * 1000000}, NULL);
}

const char *name_of(ringway_status status) {
    switch (status) {
    case RINGWAY_OK: return "()";
    case RINGWAY_TIMED_OUT: return "RINGWAY_TIMED_OUT";
    case RINGWAY_CLOSED: return "RINGWAY_CLOSED";
    case RINGWAY_PEER_CLOSED: return "RINGWAY_PEER_CLOSED";
    case RINGWAY_PEER_DIED: return "RINGWAY_PEER_DIED";
    case RINGWAY_PROTOCOL: return "RINGWAY_PROTOCOL";
    case RINGWAY_SCHEMA: return "RINGWAY_SCHEMA";
    default: return ringway_status_text(status);
    }
}

ringway_status reach(const ringway_config *config, const char *address, ringway_connection **made) {
    for (int tries = 0;; tries++) {
        ringway_status status = ringway_connect(config, address, made);
        if (status != RINGWAY_NOT_FOUND || tries == 6000) return status;
        rest(5);
    }
}

static ringway_config *patient(void) {
    ringway_config *config;
    MUST(ringway_config_new(&config));
    MUST(ringway_config_set(config, RINGWAY_HANDSHAKE_TIMEOUT, LONG));
    return config;
}

struct ends meet(bool serves, const char *address, const ringway_config *config) {
    struct ends ends;
    ringway_connection *connection;
    if (serves) {
        ringway_listener *listener;
        MUST(ringway_bind(config, address, &listener));
        MUST(ringway_listener_accept(listener, LONG, &connection));
        ringway_listener_free(listener);
    } else {
        MUST(reach(config, address, &connection));
    }
    MUST(ringway_connection_split(connection, &ends.sender, &ends.receiver));
    return ends;
}

void goodbye(bool serves, struct ends ends) {
    ringway_frame frame;
    if (serves) {
        ringway_status status = ringway_receiver_next(ends.receiver, LONG, &frame);
        printf("%s\n", name_of(status));
    }
    ringway_sender_free(ends.sender);
    ringway_receiver_free(ends.receiver);
}

static uint8_t buffer[1 << 17];

static void fill(uint8_t *payload, size_t length) {
    for (size_t at = 0; at < length; at++) payload[at] = (uint8_t)((at * 7 + length) % 251);
}

static uint32_t hash(uint32_t seed, const uint8_t *payload, size_t length) {
    for (size_t at = 0; at < length; at++) seed = seed * 31 + payload[at];
    return seed;
}

static void bytes(bool serves, struct ends ends) {
    static const size_t lengths[] = {0, 1, 64, 1000, 100000};
    for (int at = 0; at < 5; at++) {
        size_t length = lengths[at];
        fill(buffer, length);
        if (!serves) MUST(ringway_sender_send(ends.sender, buffer, length, LONG));
        memset(buffer, 0, sizeof buffer);
        MUST(ringway_receiver_recv(ends.receiver, buffer, sizeof buffer, LONG, &length));
        printf("%zu %u\n", length, hash(0, buffer, length));
        if (serves) MUST(ringway_sender_send(ends.sender, buffer, length, LONG));
    }
}

/* The next frame, as text; its length. */
static size_t take(struct ends ends, ringway_frame *frame, char *text, size_t room) {
    size_t length;
    MUST(ringway_receiver_next(ends.receiver, LONG, frame));
    MUST(ringway_receiver_copy(ends.receiver, 0, text, room - 1, &length));
    MUST(ringway_receiver_release(ends.receiver));
    text[length] = 0;
    return length;
}

static void kinds(bool serves, struct ends ends) {
    static const uint16_t numbers[] = {0, 1, 513, 65535};
    static const char *words[] = {"zero", "one", "many", "last"};
    for (int at = 0; at < 4; at++) {
        ringway_frame frame;
        char text[20];
        if (!serves) MUST(ringway_sender_send_kind(ends.sender, numbers[at], words[at], strlen(words[at]), LONG));
        size_t length = take(ends, &frame, text, sizeof text);
        printf("%u %s\n", frame.kind, text);
        if (serves) MUST(ringway_sender_send_kind(ends.sender, frame.kind, text, length, LONG));
    }
}

static void batches(bool serves, struct ends ends) {
    static uint8_t all[100][100];
    ringway_payload payloads[100];
    ringway_part parts[64];
    size_t count, found = 0;
    uint32_t seed = 0;
    for (size_t at = 0; at < 100; at++) {
        fill(all[at], at);
        payloads[at] = (ringway_payload){all[at], at};
    }
    if (!serves) MUST(ringway_sender_send_many(ends.sender, payloads, 100, LONG, &count));
    memset(all, 0, sizeof all);
    while (found < 100) {
        MUST(ringway_receiver_recv_many(ends.receiver, buffer, sizeof buffer, parts, 64, LONG, &count));
        for (size_t part = 0; part < count && found < 100; part++, found++) {
            payloads[found].length = parts[part].length;
            memcpy(all[found], buffer + parts[part].offset, parts[part].length);
            seed = hash(seed, all[found], parts[part].length);
        }
    }
    printf("%zu %u\n", found, seed);
    if (serves) MUST(ringway_sender_send_many(ends.sender, payloads, 100, LONG, &count));
}

/* A file says that everything is sent: only then the server begins to receive. */
static void sent(bool serves, const char *address) {
    char path[200];
    snprintf(path, sizeof path, "%s.sent", address);
    if (!serves) fclose(fopen(path, "w"));
    else for (int tries = 0; access(path, F_OK) != 0 && tries < 15000; tries++) rest(2);
}

static void done(bool serves, struct ends ends) {
    ringway_frame frame;
    char text[20];
    if (serves) MUST(ringway_sender_send(ends.sender, "done", 4, LONG));
    else {
        take(ends, &frame, text, sizeof text);
        printf("%s\n", text);
    }
    goodbye(serves, ends);
}

static void priorities(bool serves, const char *address, ringway_config *config) {
    MUST(ringway_config_set(config, RINGWAY_LANES, 2));
    struct ends ends = meet(serves, address, config);
    if (!serves) {
        MUST(ringway_sender_set_priority(ends.sender, 1));
        MUST(ringway_sender_send(ends.sender, "later", 5, LONG));
        MUST(ringway_sender_set_priority(ends.sender, 0));
        MUST(ringway_sender_send(ends.sender, "now", 3, LONG));
    }
    sent(serves, address);
    for (int at = 0; serves && at < 2; at++) {
        ringway_frame frame;
        char text[20];
        take(ends, &frame, text, sizeof text);
        printf("%u %s\n", frame.priority, text);
    }
    done(serves, ends);
}

static void expiring(bool serves, const char *address, ringway_config *config) {
    ringway_frame frame;
    char text[20];
    if (serves) MUST(ringway_config_set(config, RINGWAY_DROP_EXPIRED, 1));
    struct ends ends = meet(serves, address, config);
    if (!serves) {
        ringway_status status;
        /* Once more where this process had no processor until it was over before it was sent. */
        do status = ringway_sender_send_expiring(ends.sender, 0, "short", 5, 200000000);
        while (status == RINGWAY_EXPIRED);
        MUST(status);
        MUST(ringway_sender_send_expiring(ends.sender, 0, "long", 4, LONG));
        rest(300);
    }
    sent(serves, address);
    if (serves) {
        take(ends, &frame, text, sizeof text);
        printf("%s\n", text);
    }
    done(serves, ends);
}

/* One side ends by a signal that nothing can be done about; the other says what it was told, by each half. */
static void death(bool dies, struct ends ends) {
    ringway_frame frame;
    char text[20];
    MUST(ringway_sender_send(ends.sender, "here", 4, LONG));
    take(ends, &frame, text, sizeof text);
    printf("%s\n", text);
    fflush(stdout);
    if (dies) kill(getpid(), SIGKILL);
    printf("%s\n", name_of(ringway_receiver_next(ends.receiver, LONG, &frame)));
    printf("%s\n", name_of(ringway_sender_check(ends.sender)));
}

/* The other side keeps no rule: what one half is told, and its words. */
static void lied_to(bool serves, const char *address, bool sends) {
    ringway_config *config = patient();
    struct ends ends = meet(serves, address, config);
    ringway_frame frame;
    ringway_status status = RINGWAY_OK;
    sent(true, address);
    if (!sends) status = ringway_receiver_next(ends.receiver, LONG, &frame);
    /* As many as fill the ring a few times. */
    for (int at = 0; sends && status == RINGWAY_OK && at < 10000; at++) status = ringway_sender_send(ends.sender, buffer, 1000, LONG);
    printf("%s\n%s\n", name_of(status), ringway_last_error());
    ringway_sender_free(ends.sender);
    ringway_receiver_free(ends.receiver);
    ringway_config_free(config);
}

int main(int count, char **words) {
    bool serves = count == 4 && strcmp(words[1], "SERVE") == 0;
    if (count != 4 || (!serves && strcmp(words[1], "CONNECT") != 0)) {
        fputs("usage: actor SERVE|CONNECT CASE ADDRESS\n", stderr);
        return 1;
    }
    const char *wanted = words[2], *address = words[3];
    ringway_config *config = patient();
    if (strcmp(wanted, "typed") == 0) typed(serves, address);
    else if (strcmp(wanted, "variable") == 0) variable(serves, address);
    else if (strcmp(wanted, "wrong") == 0) wrong(serves, address);
    else if (strcmp(wanted, "priorities") == 0) priorities(serves, address, config);
    else if (strcmp(wanted, "expiring") == 0) expiring(serves, address, config);
    else if (strncmp(wanted, "lie-", 4) == 0) lied_to(serves, address, strcmp(wanted, "lie-released") == 0);
    else if (strcmp(wanted, "client-dies") == 0) death(!serves, meet(serves, address, config));
    else if (strcmp(wanted, "client-killed") == 0 || strcmp(wanted, "server-killed") == 0) endless(serves, address, config);
    else if (strcmp(wanted, "server-dies") == 0) death(serves, meet(serves, address, config));
    else {
        void (*simple)(bool, struct ends) = strcmp(wanted, "bytes") == 0 ? bytes : strcmp(wanted, "kinds") == 0 ? kinds : strcmp(wanted, "batches") == 0 ? batches : NULL;
        if (!simple) {
            fprintf(stderr, "there is no case `%s`\n", wanted);
            return 1;
        }
        struct ends ends = meet(serves, address, config);
        simple(serves, ends);
        goodbye(serves, ends);
    }
    ringway_config_free(config);
    return 0;
}
