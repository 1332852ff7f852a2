/* What the tests in C share. */
#ifndef CHECK_H
#define CHECK_H

#include <ringway.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(truth)                                                                                          \
    do {                                                                                                      \
        if (!(truth)) {                                                                                       \
            fprintf(stderr, "%s:%d: not so: %s; the last error: %s\n", __FILE__, __LINE__, #truth,            \
                    ringway_last_error());                                                                    \
            exit(1);                                                                                          \
        }                                                                                                     \
    } while (0)

#define OK(call) CHECK((call) == RINGWAY_OK)
#define GIVES(status, call) CHECK((call) == (status))
#define SAYS(words) CHECK(strstr(ringway_last_error(), words) != NULL)

#define SECOND 1000000000LL
/* Long enough for a machine that has other things to do; whoever waits so long fails. */
#define LONG (60 * SECOND)

/* A path for a socket that nobody else has. */
const char *new_path(void);

/* Options with as much time for a handshake as a machine may take that has other things to do. */
ringway_config *new_config(void);

/* Both ends of a connection in one process: a client's handshake needs a server that accepts meanwhile. */
struct pair {
    ringway_listener *listener;
    ringway_sender *sender[2];
    ringway_receiver *receiver[2];
};

void make_pair(struct pair *pair, const ringway_config *config);
void free_pair(struct pair *pair);

#endif
