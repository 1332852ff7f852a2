/* What the files of the C actor share. */
#ifndef ACTOR_H
#define ACTOR_H

#include <ringway.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RINGWAY_OK) {                                                                \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, ringway_last_error());   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Longer than a machine takes that has other things to do. */
#define LONG 30000000000LL

struct ends {
    ringway_sender *sender;
    ringway_receiver *receiver;
};

/* `name` of a status, as `ringway.h` writes it. */
const char *name_of(ringway_status status);
/* Connects to somebody who may be about to listen. */
ringway_status reach(const ringway_config *config, const char *address, ringway_connection **made);
struct ends meet(bool serves, const char *address, const ringway_config *config);
/* The client closes first, and the server is told of that in order. */
void goodbye(bool serves, struct ends ends);

void typed(bool serves, const char *address);
void variable(bool serves, const char *address);
/* Until the other side is killed. */
void endless(bool serves, const char *address, const ringway_config *config);
void wrong(bool serves, const char *address);

#endif
