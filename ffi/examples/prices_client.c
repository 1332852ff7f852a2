/* A client of `prices_server`: asks for so many prices, and checks what it is answered.
 *
 *     prices_client NAME REQUESTS */

#include <ringway.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct request {
    uint64_t number;
    uint32_t item;
    uint32_t pad;
};

struct answer {
    uint64_t number;
    double price;
};

static void must(ringway_status status, const char *doing) {
    if (status == RINGWAY_OK) return;
    fprintf(stderr, "%s: %s\n", doing, ringway_last_error());
    exit(1);
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: %s NAME REQUESTS\n", words[0]);
        return 2;
    }
    ringway_config *config;
    ringway_connection *connection;
    ringway_sender *sender;
    ringway_receiver *receiver;
    must(ringway_config_new(&config), "options");
    /* The server may be starting. */
    ringway_status status;
    for (int tries = 0; (status = ringway_connect(config, words[1], &connection)) == RINGWAY_NOT_FOUND && tries < 1000; tries++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    must(status, "connecting");
    ringway_config_free(config);
    must(ringway_connection_split(connection, &sender, &receiver), "splitting");

    unsigned long requests = strtoul(words[2], NULL, 10);
    for (uint64_t number = 0; number < requests; number++) {
        struct request request = {.number = number, .item = (uint32_t)number % 100};
        struct answer answer;
        size_t length;
        must(ringway_sender_send(sender, &request, sizeof request, RINGWAY_FOR_EVER), "asking");
        must(ringway_receiver_recv(receiver, &answer, sizeof answer, 10000000000, &length), "waiting for an answer");
        if (length != sizeof answer || answer.number != number || answer.price != 1.5 * request.item) {
            fprintf(stderr, "a wrong answer\n");
            return 1;
        }
    }
    printf("%lu prices\n", requests);
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
    return 0;
}
