/* A server and its client in one process, and what they say of the frames that come again. */
#ifndef SERVICE_H
#define SERVICE_H

#include <pthread.h>

#include "check.h"

static ringway_config *config;

/* One side of a connection. */
struct side {
    ringway_sender *sender;
    ringway_receiver *receiver;
    uint8_t token[16];
    uint32_t generation;
};

static void split(struct side *side, ringway_connection *connection) {
    OK(ringway_connection_lineage(connection, &side->token, &side->generation));
    OK(ringway_connection_split(connection, &side->sender, &side->receiver));
}

static void free_side(struct side *side) {
    ringway_sender_free(side->sender);
    ringway_receiver_free(side->receiver);
    side->sender = NULL;
    side->receiver = NULL;
}

/* The next server, in a thread of its own. */
struct accepts {
    ringway_listener *listener;
    ringway_connection *connection;
    pthread_t thread;
};

static void *accept_one(void *argument) {
    struct accepts *accepts = argument;
    OK(ringway_listener_accept(accepts->listener, LONG, &accepts->connection));
    return NULL;
}

static void begin(struct accepts *accepts, ringway_listener *listener) {
    accepts->listener = listener;
    CHECK(pthread_create(&accepts->thread, NULL, accept_one, accepts) == 0);
}

static void end(struct accepts *accepts, struct side *server) {
    CHECK(pthread_join(accepts->thread, NULL) == 0);
    split(server, accepts->connection);
}

/* A path, somebody who listens there, and both sides of a connection. */
struct service {
    char path[100];
    ringway_listener *listener;
    struct side client, server;
};

static void start(struct service *service) {
    struct accepts accepts;
    ringway_connection *connection;
    snprintf(service->path, sizeof service->path, "%s", new_path());
    OK(ringway_bind(config, service->path, &service->listener));
    begin(&accepts, service->listener);
    OK(ringway_connect(config, service->path, &connection));
    split(&service->client, connection);
    end(&accepts, &service->server);
}

static void stop(struct service *service) {
    free_side(&service->client);
    free_side(&service->server);
    ringway_listener_free(service->listener);
}

static void send_number(ringway_sender *sender, uint64_t number) { OK(ringway_sender_send(sender, &number, sizeof number, LONG)); }

static uint64_t recv_number(ringway_receiver *receiver) {
    uint64_t number;
    size_t length;
    OK(ringway_receiver_recv(receiver, &number, sizeof number, LONG, &length));
    CHECK(length == sizeof number);
    return number;
}

/* The next frame has this number, this is said of it, and it stays open. */
static uint64_t opens(ringway_receiver *receiver, uint64_t wanted, unsigned redelivery) {
    ringway_frame frame;
    uint64_t number;
    size_t length;
    OK(ringway_receiver_next(receiver, LONG, &frame));
    OK(ringway_receiver_copy(receiver, 0, &number, sizeof number, &length));
    CHECK(number == wanted && frame.redelivery == redelivery);
    return frame.position;
}

static void ends(ringway_receiver *receiver, ringway_status how) {
    char byte;
    size_t length;
    GIVES(how, ringway_receiver_recv(receiver, &byte, 1, LONG, &length));
}

static ringway_status resume(struct service *service, int64_t timeout, ringway_connection **connection, ringway_resumed *resumed) {
    struct side *client = &service->client;
    return ringway_resume(config, service->path, &client->sender, &client->receiver, timeout, connection, resumed);
}

#endif
