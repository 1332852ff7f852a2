/* Options, addresses, refusals, errors of each thread, counters, and handles in a child. */
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

/* Structs keep their layout: a program that was compiled with an older header runs with a newer library. */
_Static_assert(sizeof(ringway_peer) == 8 && offsetof(ringway_peer, pid) == 4, "ringway_peer");
_Static_assert(sizeof(ringway_half) == 32 && offsetof(ringway_half, peer) == 24, "ringway_half");
_Static_assert(sizeof(ringway_frame) == 24 && offsetof(ringway_frame, redelivery) == 19, "ringway_frame");
_Static_assert(sizeof(ringway_resumed) == 24 && offsetof(ringway_resumed, broken) == 16, "ringway_resumed");
_Static_assert(sizeof(ringway_last) == 16 && offsetof(ringway_last, redelivery) == 9, "ringway_last");
_Static_assert(sizeof(ringway_payload) == 16 && sizeof(ringway_part) == 16, "ringway_payload, ringway_part");
_Static_assert(sizeof(ringway_place) == 32 && offsetof(ringway_place, of) == 24, "ringway_place");
_Static_assert(sizeof(ringway_field) == 56 && offsetof(ringway_field, default_) == 48, "ringway_field");

static void options(void) {
    ringway_config *config;
    ringway_listener *listener;
    config = new_config();
    for (int option = RINGWAY_CAPACITY; option <= RINGWAY_LIMIT_HANDSHAKES; option++) {
        ringway_config *other;
        OK(ringway_config_new(&other));
        OK(ringway_config_set(other, option, 1));
        ringway_config_free(other);
    }
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_config_set(config, 999, 1));
    SAYS("999 is no option");
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_config_set(config, RINGWAY_PREFAULT, 2));
    SAYS("RINGWAY_PREFAULT cannot be 2: it is a truth value");
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_config_set(config, RINGWAY_WAIT, 3));
    SAYS("RINGWAY_WAIT cannot be 3: it is RINGWAY_WAIT_ADAPTIVE (0)");
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_config_set(config, RINGWAY_CODEC, (uint64_t)1 << 32));
    OK(ringway_config_set(config, RINGWAY_CAPACITY, 5000));
    GIVES(RINGWAY_INVALID_CONFIG, ringway_bind(config, new_path(), &listener));
    ringway_config *copy;
    OK(ringway_config_copy(config, &copy));
    GIVES(RINGWAY_INVALID_CONFIG, ringway_bind(copy, new_path(), &listener));
    OK(ringway_config_set(copy, RINGWAY_CAPACITY, 8192));
    OK(ringway_bind(copy, new_path(), &listener));
    ringway_listener_free(listener);
    ringway_config_free(copy);
    GIVES(RINGWAY_INVALID_CONFIG, ringway_bind(config, new_path(), &listener));
    SAYS("power of two");
    OK(ringway_config_set(config, RINGWAY_CAPACITY, 8192));
    OK(ringway_config_set(config, RINGWAY_WAIT, RINGWAY_WAIT_PARK));
    GIVES(RINGWAY_INVALID_NAME, ringway_bind(config, "no such name!", &listener));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_bind(config, "\xff", &listener));
    SAYS("no UTF-8");
    GIVES(RINGWAY_DIRECTORY, ringway_bind(config, "/no/such/place", &listener));

    const char *path = new_path();
    ringway_connection *connection = (void *)&options;
    GIVES(RINGWAY_NOT_FOUND, ringway_connect(config, path, &connection));
    CHECK(connection == (void *)&options);
    OK(ringway_bind(config, path, &listener));
    ringway_listener *second;
    GIVES(RINGWAY_NAME_TAKEN, ringway_bind(config, path, &second));
    GIVES(RINGWAY_EMPTY, ringway_listener_accept(listener, 0, &connection));
    GIVES(RINGWAY_TIMED_OUT, ringway_listener_accept(listener, 1000, &connection));
    char told[200];
    size_t length;
    OK(ringway_listener_path(listener, told, sizeof told, &length));
    CHECK(length == strlen(path) && strcmp(told, path) == 0);
    GIVES(RINGWAY_TRUNCATED, ringway_listener_path(listener, told, length, &length));
    length = 0;
    GIVES(RINGWAY_TRUNCATED, ringway_listener_path(listener, NULL, 0, &length));
    CHECK(length == strlen(path));
    uint64_t refusals;
    OK(ringway_listener_refusals(listener, &refusals, told, sizeof told, &length));
    CHECK(refusals == 0 && length == 0 && told[0] == 0);
    int descriptor = -1;
    OK(ringway_listener_descriptor(listener, &descriptor));
    CHECK(descriptor >= 0);
    ringway_listener_free(listener);
    ringway_config_free(config);
}

static void *elsewhere(void *nothing) {
    CHECK(ringway_last_error()[0] == 0);
    return nothing;
}

static void errors(void) {
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_config_new(NULL));
    SAYS("`config` is NULL");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, elsewhere, NULL) == 0 && pthread_join(thread, NULL) == 0);
    SAYS("`config` is NULL");
    for (int status = -1; status < 200; status++) CHECK(ringway_status_text(status)[0] != 0);
    CHECK(strcmp(ringway_status_text(RINGWAY_FULL), "the ring is full") == 0);
    CHECK(strstr(ringway_status_text(RINGWAY_EMPTY), "no client") != NULL);
    /* Freeing nothing does nothing. */
    ringway_config_free(NULL);
    ringway_listener_free(NULL);
    ringway_connection_free(NULL);
    ringway_sender_free(NULL);
    ringway_receiver_free(NULL);
    ringway_schema_free(NULL);
    ringway_record_free(NULL);
    ringway_type_free(NULL);
    ringway_observed_free(NULL);
    ringway_counters_free(NULL);
    ringway_interrupter_free(NULL);
}

static void counters(void) {
    ringway_config *config;
    struct pair pair;
    config = new_config();
    make_pair(&pair, config);
    for (int frame = 0; frame < 5; frame++) OK(ringway_sender_send(pair.sender[0], "x", 1, 0));
    bool armed;
    OK(ringway_sender_arm(pair.sender[0], 1, &armed));
    ringway_counters *counters;
    size_t count, length;
    OK(ringway_counters_own(&counters));
    OK(ringway_counters_connections(counters, &count));
    CHECK(count == 2);
    uint64_t value, sum = 0;
    for (size_t index = 0; index < count; index++) {
        char name[200], path[200];
        OK(ringway_counters_name(counters, index, name, sizeof name, &length));
        OK(ringway_listener_path(pair.listener, path, sizeof path, &length));
        CHECK(strcmp(name, path) == 0);
        OK(ringway_counters_value(counters, index, "sends.frames", &value));
        sum += value;
        OK(ringway_counters_value(counters, index, "peer_pid", &value));
        CHECK(value == (uint64_t)getpid());
        const char *names[] = {"frames",  "bytes",   "batches", "high_water",    "waits",       "sleeps",
                               "wakes",   "refused", "dropped", "codec_samples", "codec_nanos", "expired"};
        for (size_t which = 0; which < sizeof names / sizeof *names; which++) {
            char full[40];
            snprintf(full, sizeof full, "receives.%s", names[which]);
            OK(ringway_counters_value(counters, index, full, &value));
        }
    }
    CHECK(sum <= 5);
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_counters_value(counters, 0, "sends.luck", &value));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_counters_value(counters, 2, "lanes", &value));
    ringway_counters_free(counters);
    free_pair(&pair);
    ringway_config_free(config);
}

static void *accept_one(void *argument) {
    ringway_connection *connection;
    OK(ringway_listener_accept(argument, LONG, &connection));
    ringway_connection_free(connection);
    return NULL;
}

static void observing(void) {
    ringway_config *config;
    ringway_listener *listener;
    ringway_observed *observed;
    ringway_schema *schema;
    const char *path = new_path();
    config = new_config();
    OK(ringway_bind(config, path, &listener));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, accept_one, listener) == 0);
    OK(ringway_observe(config, path, &observed));
    ringway_peer peer;
    OK(ringway_observed_peer(observed, &peer));
    CHECK(peer.pid == (int)getpid() && peer.uid == getuid());
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_observed_sends(observed, &schema));
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_observed_expects(observed, &schema));
    ringway_connection *connection;
    OK(ringway_connect(config, path, &connection));
    OK(ringway_connection_peer(connection, &peer));
    CHECK(peer.pid == (int)getpid());
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_connection_peer_sends(connection, &schema));
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_connection_peer_expects(connection, &schema));
    CHECK(pthread_join(thread, NULL) == 0);
    ringway_counters *counters;
    OK(ringway_observed_counters(observed, &counters));
    ringway_counters_free(counters);
    ringway_observed_free(observed);
    ringway_connection_free(connection);
    ringway_listener_free(listener);
    ringway_config_free(config);
}

/* Every call of a half, in a child whose parent has nothing open. */
static void refused_in_a_child(ringway_sender *sender, ringway_receiver *receiver) {
    char buffer[64] = {0};
    size_t length;
    uint64_t bytes;
    bool armed;
    int descriptor;
    void *space;
    ringway_frame frame;
    ringway_part part;
    ringway_half about;
    ringway_interrupter *interrupter;
    ringway_payload payload = {buffer, 1};
    for (int64_t timeout = -1; timeout <= 1; timeout++) {
        GIVES(RINGWAY_FORKED, ringway_sender_send(sender, buffer, 64, timeout));
        GIVES(RINGWAY_FORKED, ringway_send(sender, buffer, 64, timeout));
        GIVES(RINGWAY_FORKED, ringway_sender_send_kind(sender, 3, buffer, 1, timeout));
        GIVES(RINGWAY_FORKED, ringway_sender_send_many(sender, &payload, 1, timeout, &length));
        GIVES(RINGWAY_FORKED, ringway_sender_reserve(sender, 8, 8, timeout, &space));
        GIVES(RINGWAY_FORKED, ringway_receiver_recv(receiver, buffer, 64, timeout, &length));
        GIVES(RINGWAY_FORKED, ringway_recv(receiver, buffer, 64, timeout, &length));
        GIVES(RINGWAY_FORKED, ringway_receiver_next(receiver, timeout, &frame));
        GIVES(RINGWAY_FORKED, ringway_receiver_recv_many(receiver, buffer, 64, &part, 1, timeout, &length));
        GIVES(RINGWAY_FORKED, ringway_receiver_open_batch(receiver, 8, timeout));
    }
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_sender_send_64(sender, buffer));
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_64(receiver, buffer));
    GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_exact(receiver, buffer, 1));
    GIVES(RINGWAY_FORKED, ringway_sender_send_expiring(sender, 0, buffer, 1, SECOND));
    GIVES(RINGWAY_FORKED, ringway_sender_set_priority(sender, 0));
    GIVES(RINGWAY_FORKED, ringway_sender_open_group(sender));
    GIVES(RINGWAY_FORKED, ringway_sender_check(sender));
    GIVES(RINGWAY_FORKED, ringway_sender_arm(sender, 1, &armed));
    GIVES(RINGWAY_FORKED, ringway_sender_descriptor(sender, &descriptor));
    GIVES(RINGWAY_FORKED, ringway_sender_interrupter(sender, &interrupter));
    GIVES(RINGWAY_FORKED, ringway_receiver_hold(receiver, true));
    GIVES(RINGWAY_FORKED, ringway_receiver_rewind(receiver, &bytes));
    GIVES(RINGWAY_FORKED, ringway_receiver_arm(receiver, &armed));
    GIVES(RINGWAY_FORKED, ringway_receiver_descriptor(receiver, &descriptor));
    GIVES(RINGWAY_FORKED, ringway_receiver_interrupter(receiver, &interrupter));
    /* What was agreed is no secret. */
    OK(ringway_sender_about(sender, &about));
    OK(ringway_receiver_about(receiver, &about));
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
}

/* With a group, a batch, a reservation and held frames open: what would end them does not, and says so. */
static void nothing_ends_in_a_child(struct pair *pair) {
    ringway_frame frame;
    GIVES(RINGWAY_FORKED, ringway_sender_send(pair->sender[0], "x", 1, RINGWAY_FOR_EVER));
    GIVES(RINGWAY_FORKED, ringway_sender_publish(pair->sender[0]));
    GIVES(RINGWAY_FORKED, ringway_receiver_end_batch(pair->receiver[0]));
    GIVES(RINGWAY_FORKED, ringway_sender_abort(pair->sender[1]));
    GIVES(RINGWAY_FORKED, ringway_receiver_release(pair->receiver[1]));
    GIVES(RINGWAY_FORKED, ringway_receiver_next(pair->receiver[1], 0, &frame));
}

static void in_child(void (*what)(struct pair *), struct pair *pair) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        what(pair);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void idle(struct pair *pair) {
    refused_in_a_child(pair->sender[0], pair->receiver[0]);
    refused_in_a_child(pair->sender[1], pair->receiver[1]);
}

static void children(void) {
    ringway_config *config = new_config();
    struct pair pair;
    ringway_frame frame;
    void *space;
    char buffer[64];
    size_t length;
    make_pair(&pair, config);
    /* One has a frame to receive, the other has none. */
    OK(ringway_sender_send(pair.sender[0], "before", 6, LONG));
    in_child(idle, &pair);
    OK(ringway_receiver_hold(pair.receiver[1], true));
    OK(ringway_receiver_next(pair.receiver[1], LONG, &frame));
    OK(ringway_sender_send(pair.sender[1], "batched", 7, LONG));
    OK(ringway_receiver_open_batch(pair.receiver[0], 8, LONG));
    OK(ringway_sender_open_group(pair.sender[0]));
    OK(ringway_sender_send(pair.sender[0], "grouped", 7, LONG));
    OK(ringway_sender_reserve(pair.sender[1], 8, 8, LONG, &space));
    in_child(nothing_ends_in_a_child, &pair);
    /* The parent goes on. */
    OK(ringway_receiver_next(pair.receiver[0], 0, &frame));
    CHECK(frame.length == 7);
    OK(ringway_receiver_end_batch(pair.receiver[0]));
    OK(ringway_sender_abort(pair.sender[1]));
    OK(ringway_receiver_release(pair.receiver[1]));
    GIVES(RINGWAY_EMPTY, ringway_receiver_recv(pair.receiver[1], buffer, sizeof buffer, 0, &length));
    OK(ringway_sender_publish(pair.sender[0]));
    OK(ringway_receiver_recv(pair.receiver[1], buffer, sizeof buffer, LONG, &length));
    CHECK(length == 7 && memcmp(buffer, "grouped", 7) == 0);
    free_pair(&pair);
    ringway_config_free(config);
}

/* Whatever a child does with what it inherited is refused, and harms nobody. */
static void forked(void) {
    ringway_config *config;
    struct pair pair;
    config = new_config();
    make_pair(&pair, config);
    void *space, *empty;
    ringway_frame frame;
    OK(ringway_sender_send(pair.sender[1], "from there", 10, 0));
    OK(ringway_receiver_next(pair.receiver[0], LONG, &frame));
    OK(ringway_sender_reserve(pair.sender[0], 8, 8, LONG, &space));
    OK(ringway_sender_reserve(pair.sender[1], 0, 8, LONG, &empty));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char buffer[64];
        size_t length;
        bool armed;
        ringway_connection *connection;
        ringway_interrupter *interrupter;
        const void *data;
        GIVES(RINGWAY_FORKED, ringway_sender_commit(pair.sender[0], 8, 0));
        GIVES(RINGWAY_FORKED, ringway_sender_commit(pair.sender[1], 0, 0));
        GIVES(RINGWAY_FORKED, ringway_receiver_copy(pair.receiver[0], 0, buffer, sizeof buffer, &length));
        GIVES(RINGWAY_FORKED, ringway_receiver_trusted(pair.receiver[0], &data, &length));
        GIVES(RINGWAY_FORKED, ringway_receiver_release(pair.receiver[0]));
        GIVES(RINGWAY_FORKED, ringway_sender_open_group(pair.sender[0]));
        GIVES(RINGWAY_FORKED, ringway_sender_send(pair.sender[0], buffer, 64, 0));
        GIVES(RINGWAY_NOT_AT_ONCE, ringway_sender_send_64(pair.sender[0], buffer));
        GIVES(RINGWAY_FORKED, ringway_sender_send(pair.sender[0], "x", 1, RINGWAY_FOR_EVER));
        GIVES(RINGWAY_FORKED, ringway_sender_reserve(pair.sender[0], 8, 8, 0, &space));
        GIVES(RINGWAY_FORKED, ringway_sender_check(pair.sender[0]));
        GIVES(RINGWAY_FORKED, ringway_sender_arm(pair.sender[0], 1, &armed));
        GIVES(RINGWAY_FORKED, ringway_receiver_recv(pair.receiver[0], buffer, 64, RINGWAY_FOR_EVER, &length));
        GIVES(RINGWAY_NOT_AT_ONCE, ringway_receiver_recv_64(pair.receiver[0], buffer));
        GIVES(RINGWAY_FORKED, ringway_receiver_next(pair.receiver[0], 0, &frame));
        GIVES(RINGWAY_FORKED, ringway_receiver_arm(pair.receiver[0], &armed));
        GIVES(RINGWAY_FORKED, ringway_receiver_open_batch(pair.receiver[0], 8, 0));
        GIVES(RINGWAY_FORKED, ringway_listener_accept(pair.listener, 0, &connection));
        GIVES(RINGWAY_FORKED, ringway_sender_interrupter(pair.sender[0], &interrupter));
        GIVES(RINGWAY_FORKED, ringway_receiver_interrupter(pair.receiver[0], &interrupter));
        free_pair(&pair);
        ringway_config_free(config);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* The parent goes on. */
    memcpy(space, "unharmed", 8);
    OK(ringway_sender_commit(pair.sender[0], 8, 0));
    OK(ringway_sender_commit(pair.sender[1], 0, 0));
    char buffer[64];
    size_t length;
    OK(ringway_receiver_recv(pair.receiver[1], buffer, sizeof buffer, LONG, &length));
    CHECK(length == 8 && memcmp(buffer, "unharmed", 8) == 0);
    free_pair(&pair);
    ringway_config_free(config);
}

int main(void) {
    options();
    errors();
    counters();
    observing();
    forked();
    children();
    puts("setup: ok");
    return 0;
}
