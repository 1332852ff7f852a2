/* A client that outlives its server. `resume serve PATH` is a server, which is killed; `resume hasty` has servers that release a request before they answer it, which is to be found. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "service.h"

/* What was released does not come again; what was taken is in doubt; and the rest nobody has seen. */
static void counted(void) {
    struct service service;
    struct side last, *client = &service.client, *server = &service.server;
    struct accepts accepts;
    ringway_connection *connection;
    ringway_resumed resumed;
    ringway_last told;
    start(&service);
    OK(ringway_receiver_last(server->receiver, &told));
    CHECK(told.position == UINT64_MAX && told.priority == 0 && told.redelivery == 0);
    CHECK(client->generation == 0 && server->generation == 0 && memcmp(client->token, server->token, 16) == 0);
    for (uint64_t number = 0; number < 5; number++) send_number(client->sender, number);
    opens(server->receiver, 0, 0);
    OK(ringway_receiver_release(server->receiver));
    const uint64_t position = opens(server->receiver, 1, 0);
    GIVES(RINGWAY_OUT_OF_TURN, ringway_receiver_last(server->receiver, &told));
    send_number(server->sender, 0);
    free_side(server);
    CHECK(recv_number(client->receiver) == 0);
    ends(client->receiver, RINGWAY_CLOSED);
    last = *client;
    begin(&accepts, service.listener);
    OK(resume(&service, LONG, &connection, &resumed));
    CHECK(client->sender == NULL && client->receiver == NULL);
    CHECK(resumed.unseen == 3 && resumed.in_doubt == 1 && !resumed.broken);
    split(client, connection);
    end(&accepts, server);
    CHECK(client->generation == 1 && server->generation == 1);
    CHECK(memcmp(client->token, last.token, 16) == 0 && memcmp(server->token, last.token, 16) == 0);
    CHECK(recv_number(server->receiver) == 1);
    OK(ringway_receiver_last(server->receiver, &told));
    CHECK(told.position == position && told.redelivery == 2);
    CHECK(recv_number(server->receiver) == 2);
    OK(ringway_receiver_last(server->receiver, &told));
    CHECK(told.position > position && told.redelivery == 1);
    /* What stays unread is not what was received last. */
    char byte;
    size_t length;
    GIVES(RINGWAY_TRUNCATED, ringway_receiver_recv(server->receiver, &byte, 1, 0, &length));
    const uint64_t second = told.position;
    OK(ringway_receiver_last(server->receiver, &told));
    CHECK(told.position == second);
    for (uint64_t number = 3; number < 5; number++) {
        opens(server->receiver, number, 1);
        OK(ringway_receiver_release(server->receiver));
    }
    send_number(client->sender, 5);
    opens(server->receiver, 5, 0);
    OK(ringway_receiver_release(server->receiver));
    stop(&service);
}

/* What is in doubt comes one by one, where several are asked for; and so what is said of the last one is said of it. */
static void takes_doubts_one_by_one(void) {
    struct service service;
    struct side *client = &service.client, *server = &service.server;
    struct accepts accepts;
    ringway_connection *connection;
    ringway_resumed resumed;
    ringway_last told;
    ringway_part parts[8];
    uint64_t numbers[8], position = 0;
    size_t count;
    start(&service);
    for (uint64_t number = 0; number < 5; number++) send_number(client->sender, number);
    OK(ringway_receiver_recv_many(server->receiver, numbers, sizeof numbers, parts, 2, LONG, &count));
    CHECK(count == 2);
    free_side(server);
    ends(client->receiver, RINGWAY_CLOSED);
    begin(&accepts, service.listener);
    OK(resume(&service, LONG, &connection, &resumed));
    CHECK(resumed.unseen == 3 && resumed.in_doubt == 2);
    split(client, connection);
    end(&accepts, server);
    for (uint64_t number = 0; number < 2; number++) {
        OK(ringway_receiver_recv_many(server->receiver, numbers, sizeof numbers, parts, 8, LONG, &count));
        CHECK(count == 1 && numbers[0] == number);
        OK(ringway_receiver_last(server->receiver, &told));
        CHECK(told.redelivery == 2 && (number == 0 || told.position > position));
        position = told.position;
    }
    send_number(client->sender, 5);
    OK(ringway_receiver_recv_many(server->receiver, numbers, sizeof numbers, parts, 8, LONG, &count));
    CHECK(count == 4 && numbers[0] == 2 && numbers[3] == 5);
    OK(ringway_receiver_last(server->receiver, &told));
    CHECK(told.redelivery == 0 && told.position > position);
    stop(&service);
}

/* Both directions work, and nothing was lost on the way. */
static void goes_on(struct service *service) {
    send_number(service->client.sender, 7);
    CHECK(recv_number(service->server.receiver) == 7);
    OK(ringway_receiver_release(service->server.receiver));
    send_number(service->server.sender, 8);
    CHECK(recv_number(service->client.receiver) == 8);
}

/* Whatever is refused, the connection is as it was. */
static void refused(void) {
    struct service service, other;
    struct side *client = &service.client, *server = &service.server;
    ringway_connection *connection = NULL;
    ringway_redial *redial = NULL;
    ringway_resumed resumed;
    ringway_frame frame;
    void *space;
    start(&service);
    start(&other);
    GIVES(RINGWAY_PEER_LIVES, resume(&service, 0, &connection, &resumed));
    SAYS("the peer lives");
    goes_on(&service);

    const struct side before = *client;
    struct side mixed = {.sender = client->sender, .receiver = other.client.receiver};
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_resume(config, service.path, &mixed.sender, &mixed.receiver, 0, &connection, &resumed));
    SAYS("`sender` and `receiver` are halves of different connections");
    CHECK(mixed.sender == client->sender && mixed.receiver == other.client.receiver);
    goes_on(&service);
    goes_on(&other);
    ringway_sender *none = NULL;
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_resume(config, service.path, &none, &client->receiver, 0, &connection, &resumed));
    SAYS("`sender` is NULL");

    OK(ringway_sender_reserve(client->sender, 8, 8, 0, &space));
    GIVES(RINGWAY_OUT_OF_TURN, resume(&service, 0, &connection, &resumed));
    SAYS("a reservation is open");
    OK(ringway_sender_abort(client->sender));
    send_number(server->sender, 9);
    OK(ringway_receiver_next(client->receiver, LONG, &frame));
    GIVES(RINGWAY_OUT_OF_TURN, resume(&service, 0, &connection, &resumed));
    SAYS("a frame is open");
    OK(ringway_receiver_release(client->receiver));

    pid_t child = fork();
    if (child == 0) {
        GIVES(RINGWAY_FORKED, resume(&service, 0, &connection, &resumed));
        ringway_last last;
        GIVES(RINGWAY_FORKED, ringway_receiver_last(client->receiver, &last));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    send_number(client->sender, 10);
    send_number(server->sender, 11);
    free_side(server);
    GIVES(RINGWAY_UNREAD, resume(&service, 0, &connection, &resumed));
    SAYS("receive until it says how it ended");
    CHECK(recv_number(client->receiver) == 11);
    ends(client->receiver, RINGWAY_CLOSED);

    ringway_config *plain = new_config();
    GIVES(RINGWAY_INVALID_CONFIG, ringway_resume(plain, service.path, &client->sender, &client->receiver, 0, &connection, &resumed));
    SAYS("let a connection be resumed: RINGWAY_RESUMABLE");
    OK(ringway_config_set(plain, RINGWAY_RESUMABLE, 1));
    OK(ringway_config_set(plain, RINGWAY_CAPACITY, 5000));
    GIVES(RINGWAY_INVALID_CONFIG, ringway_redial_new(plain, service.path, &client->sender, &client->receiver, 0, &redial));
    SAYS("power of two");
    ringway_config_free(plain);
    GIVES(RINGWAY_INVALID_NAME, ringway_resume(config, "no such name!", &client->sender, &client->receiver, LONG, &connection, &resumed));
    ringway_listener_free(service.listener);
    GIVES(RINGWAY_NOT_FOUND, resume(&service, SECOND / 100, &connection, &resumed));
    CHECK(connection == NULL && redial == NULL);
    CHECK(client->sender == before.sender && client->receiver == before.receiver);

    /* Somebody listens there again: nothing was lost by all that. */
    struct accepts accepts;
    OK(ringway_bind(config, service.path, &service.listener));
    begin(&accepts, service.listener);
    OK(resume(&service, RINGWAY_FOR_EVER, &connection, &resumed));
    CHECK(resumed.unseen == 1 && resumed.in_doubt == 0);
    split(client, connection);
    end(&accepts, server);
    opens(server->receiver, 10, 1);
    OK(ringway_receiver_release(server->receiver));
    goes_on(&service);
    stop(&service);
    stop(&other);
}

/* A connection that neither side has made so is of no line. */
static void plain(void) {
    struct pair pair;
    ringway_config *options = new_config();
    ringway_connection *connection;
    ringway_resumed resumed;
    make_pair(&pair, options);
    ringway_receiver_free(pair.receiver[0]);
    ringway_sender_free(pair.sender[0]);
    ends(pair.receiver[1], RINGWAY_CLOSED);
    GIVES(RINGWAY_INVALID_CONFIG, ringway_resume(config, "nobody", &pair.sender[1], &pair.receiver[1], 0, &connection, &resumed));
    SAYS("only one that it made with RINGWAY_RESUMABLE");
    pair.sender[0] = NULL;
    pair.receiver[0] = NULL;
    free_pair(&pair);
    ringway_config_free(options);
}

/* In one thread, which is both sides. */
static void by_steps(void) {
    struct service service;
    struct side *client = &service.client, *server = &service.server;
    ringway_connection *connection = NULL, *next = NULL;
    ringway_redial *redial;
    ringway_resumed resumed;
    int descriptor;
    int64_t nanos;
    uint64_t bytes;
    start(&service);
    OK(ringway_receiver_hold(client->receiver, true));
    send_number(server->sender, 1);
    send_number(client->sender, 2);
    free_side(server);
    CHECK(recv_number(client->receiver) == 1);
    ends(client->receiver, RINGWAY_CLOSED);

    /* Given up: it is held as it was. */
    OK(ringway_redial_new(config, service.path, &client->sender, &client->receiver, RINGWAY_FOR_EVER, &redial));
    CHECK(client->sender == NULL && client->receiver == NULL);
    OK(ringway_redial_awaits(redial, &descriptor, &nanos));
    CHECK(descriptor == -1 && nanos > 0 && nanos <= SECOND);
    for (int step = 0; step < 20; step++) {
        GIVES(RINGWAY_EMPTY, ringway_redial_step(redial, &connection, &resumed));
        SAYS("it is not resumed yet");
    }
    OK(ringway_redial_take_back(redial, &client->sender, &client->receiver));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_redial_take_back(redial, &client->sender, &client->receiver));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_redial_step(redial, &connection, &resumed));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_redial_awaits(redial, &descriptor, &nanos));
    SAYS("begin another one");
    ringway_redial_free(redial);
    OK(ringway_receiver_rewind(client->receiver, &bytes));
    CHECK(bytes > 0 && recv_number(client->receiver) == 1);
    OK(ringway_receiver_release(client->receiver));
    ends(client->receiver, RINGWAY_CLOSED);

    /* What a step refuses gives it back too. */
    OK(ringway_redial_new(config, "no such name!", &client->sender, &client->receiver, LONG, &redial));
    GIVES(RINGWAY_INVALID_NAME, ringway_redial_step(redial, &connection, &resumed));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_redial_step(redial, &connection, &resumed));
    GIVES(RINGWAY_OUT_OF_TURN, ringway_redial_awaits(redial, &descriptor, &nanos));
    SAYS("take the connection back");
    pid_t child = fork();
    if (child == 0) {
        GIVES(RINGWAY_FORKED, ringway_redial_step(redial, &connection, &resumed));
        GIVES(RINGWAY_FORKED, ringway_redial_awaits(redial, &descriptor, &nanos));
        GIVES(RINGWAY_FORKED, ringway_redial_take_back(redial, &client->sender, &client->receiver));
        ringway_redial_free(redial);
        _exit(0);
    }
    int ended;
    CHECK(waitpid(child, &ended, 0) == child && ended == 0);
    OK(ringway_redial_take_back(redial, &client->sender, &client->receiver));
    ringway_redial_free(redial);

    OK(ringway_redial_new(config, service.path, &client->sender, &client->receiver, LONG, &redial));
    ringway_status status;
    int watched = 0;
    while ((status = ringway_redial_step(redial, &connection, &resumed)) == RINGWAY_EMPTY) {
        OK(ringway_redial_awaits(redial, &descriptor, &nanos));
        CHECK(nanos >= 0 && nanos <= LONG);
        watched += descriptor >= 0;
        struct pollfd lines[2] = {{descriptor, POLLIN, 0}, {.events = POLLIN}};
        OK(ringway_listener_descriptor(service.listener, &lines[1].fd));
        CHECK(poll(lines, next ? 1 : 2, (int)((nanos + 999999) / 1000000)) >= 0);
        if (next == NULL) {
            const ringway_status came = ringway_listener_accept(service.listener, 0, &next);
            CHECK(came == RINGWAY_OK || came == RINGWAY_EMPTY);
        }
    }
    CHECK(status == RINGWAY_OK && watched > 0 && resumed.unseen == 1 && resumed.in_doubt == 0);
    GIVES(RINGWAY_OUT_OF_TURN, ringway_redial_take_back(redial, &client->sender, &client->receiver));
    ringway_redial_free(redial);
    while (next == NULL) OK(ringway_listener_accept(service.listener, LONG, &next));
    split(client, connection);
    split(server, next);
    opens(server->receiver, 2, 1);
    OK(ringway_receiver_release(server->receiver));
    goes_on(&service);

    /* Freed with all that it has. */
    free_side(server);
    ends(client->receiver, RINGWAY_CLOSED);
    OK(ringway_redial_new(config, service.path, &client->sender, &client->receiver, LONG, &redial));
    ringway_redial_free(redial);
    stop(&service);
}

/* Answers each number with itself before it releases it, or behind that if it is hasty, until the client is gone. */
static void serve(const char *path, bool hasty) {
    ringway_listener *listener;
    ringway_connection *connection;
    struct side side;
    OK(ringway_bind(config, path, &listener));
    OK(ringway_listener_accept(listener, LONG, &connection));
    split(&side, connection);
    for (;;) {
        ringway_frame frame;
        uint64_t number;
        size_t length;
        const ringway_status status = ringway_receiver_next(side.receiver, LONG, &frame);
        if (status == RINGWAY_CLOSED) break;
        CHECK(status == RINGWAY_OK);
        OK(ringway_receiver_copy(side.receiver, 0, &number, sizeof number, &length));
        if (hasty) {
            OK(ringway_receiver_release(side.receiver));
            usleep(50);
        }
        send_number(side.sender, number);
        if (!hasty) OK(ringway_receiver_release(side.receiver));
    }
    free_side(&side);
    ringway_listener_free(listener);
}

static pid_t start_server(const char *how, const char *path) {
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "resume", how, path, (char *)NULL);
        _exit(127);
    }
    CHECK(child > 0);
    return child;
}

enum { KILLS = 30, WINDOW = 200 };

/* A server is killed again and again, at moments of its own choice: each number is answered, in order, and twice only where that was said to be in doubt. */
static void killed(const char *how) {
    char path[100];
    struct side client;
    ringway_connection *connection;
    ringway_status status;
    uint64_t sent = 0, answered = 0, again = 0;
    unsigned random = 1;
    snprintf(path, sizeof path, "%s", new_path());
    pid_t server = start_server(how, path);
    while ((status = ringway_connect(config, path, &connection)) == RINGWAY_NOT_FOUND) usleep(1000);
    CHECK(status == RINGWAY_OK);
    split(&client, connection);
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        for (uint64_t number = 0; number < WINDOW; number++) send_number(client.sender, sent++);
        random = random * 1103515245 + 12345;
        usleep(random / 65536 % 400);
        CHECK(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
        uint64_t number;
        size_t length;
        while ((status = ringway_receiver_recv(client.receiver, &number, sizeof number, LONG, &length)) == RINGWAY_OK) {
            CHECK(number == answered || (again > 0 && number + 1 == answered));
            if (number == answered) answered++;
            again = 0;
        }
        CHECK(status == RINGWAY_PEER_DIED);
        server = start_server(how, path);
        ringway_resumed resumed;
        OK(ringway_resume(config, path, &client.sender, &client.receiver, LONG, &connection, &resumed));
        split(&client, connection);
        const uint64_t open = sent - answered;
        CHECK(resumed.in_doubt <= 1 && !resumed.broken && client.generation == (uint32_t)kill_number + 1);
        CHECK(resumed.unseen + resumed.in_doubt == open || resumed.unseen + resumed.in_doubt == open + resumed.in_doubt);
        again = resumed.in_doubt;
    }
    while (answered < sent) {
        const uint64_t number = recv_number(client.receiver);
        CHECK(number == answered || (again > 0 && number + 1 == answered));
        if (number == answered) answered++;
        again = 0;
    }
    free_side(&client);
    int ended;
    CHECK(waitpid(server, &ended, 0) == server && ended == 0);
}

int main(int count, char **words) {
    config = new_config();
    OK(ringway_config_set(config, RINGWAY_RESUMABLE, 1));
    if (count == 3) {
        serve(words[2], strcmp(words[1], "hasty") == 0);
    } else if (count == 2) {
        killed(words[1]);
    } else {
        counted();
        takes_doubts_one_by_one();
        refused();
        plain();
        by_steps();
        killed("serve");
        puts("resume: ok");
    }
    ringway_config_free(config);
    return 0;
}
