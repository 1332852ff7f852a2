/* A client that outlives its server: a ledger, which is killed a few times and forgets nothing, and who sends it amounts.
 *
 *     resume NAME FILE
 *
 * The ledger notes each number in the file before it answers. One that it may have noted already is looked up, and not noted twice. */

#define _GNU_SOURCE
#include <ringway.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 4, NUMBERS = 1000 };

static void must(ringway_status status, const char *doing) {
    if (status == RINGWAY_OK) return;
    fprintf(stderr, "%s: %s\n", doing, ringway_last_error());
    exit(1);
}

static ringway_config *options(void) {
    ringway_config *config;
    must(ringway_config_new(&config), "options");
    must(ringway_config_set(config, RINGWAY_RESUMABLE, 1), "options");
    return config;
}

static bool is_noted(FILE *ledger, uint64_t number) {
    uint64_t noted;
    rewind(ledger);
    while (fread(&noted, sizeof noted, 1, ledger) == 1)
        if (noted == number) return true;
    return false;
}

static int serve(const char *name, const char *file) {
    ringway_config *config = options();
    ringway_listener *listener;
    ringway_connection *connection;
    ringway_sender *sender;
    ringway_receiver *receiver;
    FILE *ledger = fopen(file, "a+b");
    if (ledger == NULL) return 1;
    must(ringway_bind(config, name, &listener), "listening");
    must(ringway_listener_accept(listener, RINGWAY_FOR_EVER, &connection), "accepting");
    must(ringway_connection_split(connection, &sender, &receiver), "splitting");
    for (;;) {
        ringway_frame frame;
        uint64_t number;
        size_t length;
        const ringway_status status = ringway_receiver_next(receiver, RINGWAY_FOR_EVER, &frame);
        if (status == RINGWAY_CLOSED) break;
        must(status, "receiving");
        must(ringway_receiver_copy(receiver, 0, &number, sizeof number, &length), "copying");
        /* Only what is in doubt can have been noted by an earlier ledger. */
        if (frame.redelivery != 2 || !is_noted(ledger, number)) {
            if (fseek(ledger, 0, SEEK_END) != 0 || fwrite(&number, sizeof number, 1, ledger) != 1 || fflush(ledger) != 0) {
                perror(file);
                return 1;
            }
        }
        /* It takes its time, so that there is something left when it is killed. */
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        /* The answer comes first: then no request is taken for finished whose answer was lost. */
        must(ringway_sender_send(sender, &number, sizeof number, RINGWAY_FOR_EVER), "answering");
        must(ringway_receiver_release(receiver), "releasing");
    }
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
    ringway_listener_free(listener);
    ringway_config_free(config);
    fclose(ledger);
    return 0;
}

static pid_t start(char *name, char *file) {
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "resume", "serve", name, file, (char *)NULL);
        _exit(127);
    }
    return child;
}

struct client {
    ringway_config *config;
    const char *name;
    ringway_sender *sender;
    ringway_receiver *receiver;
};

/* Behind the end of a server: goes on with the one that comes in its place within half a minute. */
static void resume(struct client *client) {
    ringway_connection *connection = NULL;
    ringway_resumed resumed;
    must(ringway_resume(client->config, client->name, &client->sender, &client->receiver, 30000000000, &connection, &resumed), "resuming");
    printf("the ledger was killed: %llu numbers sent again that nobody has seen, %llu in doubt\n", (unsigned long long)resumed.unseen,
           (unsigned long long)resumed.in_doubt);
    must(ringway_connection_split(connection, &client->sender, &client->receiver), "splitting");
}

/* The next answer; false: the server has ended, and there is none any more. */
static bool answer(struct client *client, uint64_t *number) {
    size_t length;
    const ringway_status status = ringway_receiver_recv(client->receiver, number, sizeof *number, RINGWAY_FOR_EVER, &length);
    if (status == RINGWAY_CLOSED || status == RINGWAY_PEER_CLOSED || status == RINGWAY_PEER_DIED) return false;
    must(status, "waiting for an answer");
    return true;
}

static int ask(char *name, char *file) {
    struct client client = {.config = options(), .name = name};
    ringway_connection *connection;
    ringway_status status;
    pid_t server = start(name, file);
    while ((status = ringway_connect(client.config, name, &connection)) == RINGWAY_NOT_FOUND) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    must(status, "connecting");
    must(ringway_connection_split(connection, &client.sender, &client.receiver), "splitting");

    uint64_t next = 0, answered = 0;
    for (int kills = 0; kills <= KILLS; kills++) {
        for (int count = 0; count < NUMBERS; count++, next++) must(ringway_sender_send(client.sender, &next, sizeof next, RINGWAY_FOR_EVER), "sending");
        if (kills == KILLS) break;
        for (int count = 0; count < NUMBERS / 3; count++) answer(&client, &answered);
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        while (answer(&client, &answered)) {}
        server = start(name, file);
        resume(&client);
    }
    while (answered + 1 < next && answer(&client, &answered)) {}
    ringway_sender_free(client.sender);
    ringway_receiver_free(client.receiver);
    ringway_config_free(client.config);
    waitpid(server, NULL, 0);

    FILE *ledger = fopen(file, "rb");
    uint64_t noted, count = 0;
    while (ledger != NULL && fread(&noted, sizeof noted, 1, ledger) == 1 && noted == count) count++;
    if (ledger != NULL) fclose(ledger);
    if (count != next) {
        fprintf(stderr, "the ledger has not each number once, in its order: %llu of %llu\n", (unsigned long long)count, (unsigned long long)next);
        return 1;
    }
    printf("%llu numbers are noted, each once\n", (unsigned long long)count);
    return 0;
}

int main(int count, char **words) {
    if (count == 4 && strcmp(words[1], "serve") == 0) return serve(words[2], words[3]);
    if (count == 3) return ask(words[1], words[2]);
    fprintf(stderr, "usage: %s NAME FILE\n", words[0]);
    return 2;
}
