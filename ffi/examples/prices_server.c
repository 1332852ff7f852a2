/* A service in C: answers requests for prices, from any number of clients, in one thread, with poll(2). It ends when as many clients as it was told have come and gone.
 *
 *     prices_server NAME CLIENTS */

#include <poll.h>
#include <ringway.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

struct request {
    uint64_t number;
    uint32_t item;
    uint32_t pad;
};

struct answer {
    uint64_t number;
    double price;
};

struct client {
    ringway_sender *sender;
    ringway_receiver *receiver;
};

static void must(ringway_status status, const char *doing) {
    if (status == RINGWAY_OK) return;
    fprintf(stderr, "%s: %s\n", doing, ringway_last_error());
    exit(1);
}

/* Answers what is there. false: the client is gone. */
static bool serve(struct client *client) {
    for (;;) {
        struct request request;
        size_t length;
        ringway_status status = ringway_receiver_recv(client->receiver, &request, sizeof request, RINGWAY_DO_NOT_WAIT, &length);
        if (status == RINGWAY_EMPTY) return true;
        if (status != RINGWAY_OK || length != sizeof request) return false;
        struct answer answer = {request.number, 1.5 * request.item};
        if (ringway_sender_send(client->sender, &answer, sizeof answer, 1000000000) != RINGWAY_OK) return false;
    }
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: %s NAME CLIENTS\n", words[0]);
        return 2;
    }
    ringway_config *config;
    ringway_listener *listener;
    must(ringway_config_new(&config), "options");
    must(ringway_bind(config, words[1], &listener), "listening");
    ringway_config_free(config);

    struct client clients[MOST];
    struct pollfd entries[MOST + 1] = {{.events = POLLIN}};
    must(ringway_listener_descriptor(listener, &entries[0].fd), "the listener's descriptor");
    int there = 0;
    for (int left = atoi(words[2]); left > 0 || there > 0;) {
        ringway_connection *connection;
        while (there < MOST && ringway_listener_accept(listener, RINGWAY_DO_NOT_WAIT, &connection) == RINGWAY_OK) {
            must(ringway_connection_split(connection, &clients[there].sender, &clients[there].receiver), "splitting");
            entries[there + 1].events = POLLIN;
            must(ringway_receiver_descriptor(clients[there].receiver, &entries[there + 1].fd), "a descriptor");
            there++;
            left--;
        }
        bool idle = true;
        for (int at = 0; at < there; at++) {
            bool armed = false;
            if (!serve(&clients[at])) {
                ringway_sender_free(clients[at].sender);
                ringway_receiver_free(clients[at].receiver);
                there--;
                clients[at] = clients[there];
                entries[at + 1] = entries[there + 1];
                at--;
                continue;
            }
            /* Only behind an arm is the descriptor worth polling. */
            if (ringway_receiver_arm(clients[at].receiver, &armed) != RINGWAY_OK || !armed) idle = false;
        }
        if (idle && (left > 0 || there > 0)) poll(entries, (nfds_t)there + 1, -1);
    }
    ringway_listener_free(listener);
    return 0;
}
