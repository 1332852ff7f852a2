/* Both ends of a connection. */
#include <pthread.h>

#include "check.h"

const char *new_path(void) {
    static char path[100];
    static int number;
    snprintf(path, sizeof path, "%s/ringway-c-%d-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid(), number++);
    return path;
}

ringway_config *new_config(void) {
    ringway_config *config;
    OK(ringway_config_new(&config));
    OK(ringway_config_set(config, RINGWAY_HANDSHAKE_TIMEOUT, LONG));
    return config;
}

struct client {
    const ringway_config *config;
    char path[100];
    ringway_connection *connection;
};

static void *connect_there(void *argument) {
    struct client *client = argument;
    OK(ringway_connect(client->config, client->path, &client->connection));
    return NULL;
}

void make_pair(struct pair *pair, const ringway_config *config) {
    struct client client = {.config = config};
    snprintf(client.path, sizeof client.path, "%s", new_path());
    OK(ringway_bind(config, client.path, &pair->listener));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, connect_there, &client) == 0);
    ringway_connection *accepted;
    OK(ringway_listener_accept(pair->listener, LONG, &accepted));
    CHECK(pthread_join(thread, NULL) == 0);
    OK(ringway_connection_split(accepted, &pair->sender[0], &pair->receiver[0]));
    OK(ringway_connection_split(client.connection, &pair->sender[1], &pair->receiver[1]));
}

void free_pair(struct pair *pair) {
    for (int side = 0; side < 2; side++) {
        ringway_sender_free(pair->sender[side]);
        ringway_receiver_free(pair->receiver[side]);
    }
    ringway_listener_free(pair->listener);
}
