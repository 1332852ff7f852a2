/* Listening sockets that change hands. `handover on FD` and `handover inherited` are successors, which answer clients with their process id until one says "end". */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

static ringway_config *config;
static const char *self;

/* Answers one client of the listener. Whether it says that this is the end. */
static bool answer(ringway_listener *listener) {
    ringway_connection *connection;
    ringway_sender *sender;
    ringway_receiver *receiver;
    char said[8] = "";
    const pid_t pid = getpid();
    size_t length;
    OK(ringway_listener_accept(listener, LONG, &connection));
    OK(ringway_connection_split(connection, &sender, &receiver));
    OK(ringway_receiver_recv(receiver, said, sizeof said, LONG, &length));
    OK(ringway_sender_send(sender, &pid, sizeof pid, LONG));
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
    return strcmp(said, "end") == 0;
}

struct question {
    char path[100];
    const char *word;
    pid_t by;
};

/* Who answers at that path. */
static void *ask(void *argument) {
    struct question *question = argument;
    ringway_connection *connection;
    ringway_sender *sender;
    ringway_receiver *receiver;
    size_t length;
    OK(ringway_connect(config, question->path, &connection));
    OK(ringway_connection_split(connection, &sender, &receiver));
    OK(ringway_sender_send(sender, question->word, strlen(question->word) + 1, LONG));
    OK(ringway_receiver_recv(receiver, &question->by, sizeof question->by, LONG, &length));
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
    return NULL;
}

static pthread_t asking(struct question *question) {
    pthread_t thread;
    question->word = "who";
    CHECK(pthread_create(&thread, NULL, ask, question) == 0);
    return thread;
}

static ringway_listener *bound(struct question *question) {
    ringway_listener *listener;
    snprintf(question->path, sizeof question->path, "%s", new_path());
    OK(ringway_bind(config, question->path, &listener));
    return listener;
}

/* Whoever connects while nobody accepts waits for the next one that does. */
static void in_one_process(void) {
    struct question question;
    ringway_connection *connection;
    ringway_listener *old = bound(&question), *new;
    int descriptor;
    OK(ringway_listener_hand_over(old, &descriptor));
    CHECK(fcntl(descriptor, F_GETFD) == FD_CLOEXEC);
    pthread_t client = asking(&question);
    GIVES(RINGWAY_BUSY, ringway_listener_accept(old, LONG, &connection));
    GIVES(RINGWAY_BUSY, ringway_listener_accept(old, 0, &connection));
    ringway_listener_free(old);
    OK(ringway_listen_on(config, descriptor, &new));
    CHECK(fcntl(descriptor, F_GETFD) == -1 && errno == EBADF);
    answer(new);
    CHECK(pthread_join(client, NULL) == 0 && question.by == getpid());
    ringway_listener_free(new);
    /* The name stays, and whoever listens next takes its place. */
    CHECK(access(question.path, F_OK) == 0);
    for (int turn = 0;; turn++) {
        const ringway_status status = ringway_bind(config, question.path, &new);
        if (status == RINGWAY_OK) break;
        CHECK(status == RINGWAY_NAME_TAKEN && turn < 30000);
        usleep(1000);
    }
    ringway_listener_free(new);
}

static void taken_back(void) {
    struct question question;
    ringway_listener *listener = bound(&question);
    ringway_connection *connection;
    int descriptor;
    OK(ringway_listener_hand_over(listener, &descriptor));
    close(descriptor);
    OK(ringway_listener_take_back(listener));
    GIVES(RINGWAY_EMPTY, ringway_listener_accept(listener, 0, &connection));
    pthread_t client = asking(&question);
    answer(listener);
    CHECK(pthread_join(client, NULL) == 0 && question.by == getpid());
    OK(ringway_listener_hand_over(listener, &descriptor));
    CHECK(unlink(question.path) == 0);
    GIVES(RINGWAY_NOT_FOUND, ringway_listener_take_back(listener));
    close(descriptor);
    ringway_listener_free(listener);
}

/* What is no listening socket stays the caller's. */
static void refused(void) {
    ringway_listener *listener;
    int ends[2];
    CHECK(pipe(ends) == 0);
    GIVES(RINGWAY_DESCRIPTORS, ringway_listen_on(config, ends[0], &listener));
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_listen_on(config, ends[0], &listener));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_listen_on(config, -1, &listener));
}

/* Another process takes the clients: told the descriptor, or as systemd would start it, as number 3. */
static void to_another_process(bool inherits) {
    struct question question;
    ringway_listener *old = bound(&question);
    int descriptor, ended;
    OK(ringway_listener_hand_over(old, &descriptor));
    ringway_listener_free(old);
    const pid_t next = fork();
    CHECK(next >= 0);
    if (next == 0) {
        char number[20];
        snprintf(number, sizeof number, "%d", inherits ? (int)getpid() : descriptor);
        if (!inherits) {
            fcntl(descriptor, F_SETFD, 0);
            execl(self, self, "on", number, NULL);
        } else {
            if (descriptor == 3) fcntl(3, F_SETFD, 0);
            else dup2(descriptor, 3);
            setenv("LISTEN_FDS", "1", 1);
            setenv("LISTEN_PID", number, 1);
            execl(self, self, "inherited", NULL);
        }
        _exit(127);
    }
    close(descriptor);
    question.word = "who";
    ask(&question);
    CHECK(question.by == next);
    question.word = "end";
    ask(&question);
    CHECK(waitpid(next, &ended, 0) == next && ended == 0);
    CHECK(unlink(question.path) == 0);
}

static void nothing_is_left(void) {
    ringway_inherited *inherited;
    ringway_listener *listener;
    OK(ringway_inherit(config, &inherited));
    GIVES(RINGWAY_EMPTY, ringway_inherited_next(inherited, &listener));
    ringway_inherited_free(inherited);
}

static ringway_listener *left_open(void) {
    ringway_inherited *inherited;
    ringway_listener *listener;
    OK(ringway_inherit(config, &inherited));
    OK(ringway_inherited_next(inherited, &listener));
    GIVES(RINGWAY_EMPTY, ringway_inherited_next(inherited, &listener));
    ringway_inherited_free(inherited);
    nothing_is_left();
    return listener;
}

int main(int count, char **words) {
    self = words[0];
    config = new_config();
    if (count > 1) {
        ringway_listener *listener;
        if (count == 3) OK(ringway_listen_on(config, atoi(words[2]), &listener));
        else listener = left_open();
        while (!answer(listener)) {
        }
        ringway_listener_free(listener);
    } else {
        in_one_process();
        taken_back();
        refused();
        to_another_process(false);
        to_another_process(true);
        nothing_is_left();
        puts("handover: ok");
    }
    ringway_config_free(config);
    return 0;
}
