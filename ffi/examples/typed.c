/* Messages: a struct, and its schema, so that who sends or expects something else is refused when it connects, and is told which field differs. The same struct
 * in Rust (`#[derive(Message)]`), in C++ (`RINGWAY_DESCRIBE(quote, bid, ask, size, firm, _pad)`) or in Python has the same fingerprint.
 *
 *     typed serve NAME
 *     typed ask NAME COUNT
 */
#include <ringway.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct quote {
    double bid, ask;
    uint32_t size;
    bool firm;
    uint8_t _pad[3]; /* padding is told too: fields follow each other without gaps */
};

static void must(ringway_status status) {
    if (status == RINGWAY_OK) return;
    fprintf(stderr, "%s\n", ringway_last_error());
    exit(1);
}

/* Takes the type. */
static void field(ringway_record *record, const char *name, ringway_type *type, size_t offset, size_t size, size_t align) {
    /* What is not named here is zero: no words about it, and of the first version. */
    ringway_field told = {.name = name, .type_ = type, .offset = (uint32_t)offset, .size = (uint32_t)size, .align = (uint32_t)align};
    must(ringway_record_add(record, &told));
    ringway_type_free(type);
}

static ringway_type *plain(ringway_shape shape, uint32_t size) {
    ringway_type *type = NULL;
    must(ringway_type_plain((int32_t)shape, size, &type));
    return type;
}

static ringway_schema *quotes(void) {
    ringway_record *record = NULL;
    ringway_schema *schema = NULL;
    ringway_type *bytes = plain(RINGWAY_UNSIGNED, 1), *pad = NULL;
    must(ringway_type_array(bytes, 3, &pad));
    ringway_type_free(bytes);
    must(ringway_record_new(0, "quote", sizeof(struct quote), alignof(struct quote), &record));
    field(record, "bid", plain(RINGWAY_FLOAT, 8), offsetof(struct quote, bid), 8, alignof(double));
    field(record, "ask", plain(RINGWAY_FLOAT, 8), offsetof(struct quote, ask), 8, alignof(double));
    field(record, "size", plain(RINGWAY_UNSIGNED, 4), offsetof(struct quote, size), 4, alignof(uint32_t));
    field(record, "firm", plain(RINGWAY_BOOL, 1), offsetof(struct quote, firm), 1, 1);
    field(record, "_pad", pad, offsetof(struct quote, _pad), 3, 1);
    must(ringway_schema_new(&schema));
    must(ringway_schema_add(schema, record));
    ringway_record_free(record);
    return schema;
}

/* False: the peer has closed in order. */
static bool receive(ringway_receiver *receiver, struct quote *quote) {
    unsigned char bytes[sizeof *quote];
    size_t length = 0;
    ringway_status status = ringway_receiver_recv(receiver, bytes, sizeof bytes, RINGWAY_FOR_EVER, &length);
    if (status == RINGWAY_CLOSED) return false;
    must(status);
    /* The schemas agree, but whoever sends can still lie: a truth value has to be looked at before it is one. */
    if (length != sizeof bytes || bytes[offsetof(struct quote, firm)] > 1) {
        fprintf(stderr, "no quote\n");
        exit(1);
    }
    memcpy(quote, bytes, sizeof bytes);
    return true;
}

static void serve(ringway_config *config, const char *name) {
    ringway_listener *listener = NULL;
    ringway_connection *connection = NULL;
    ringway_sender *sender = NULL;
    ringway_receiver *receiver = NULL;
    struct quote quote;
    must(ringway_bind(config, name, &listener));
    must(ringway_listener_accept(listener, RINGWAY_FOR_EVER, &connection));
    must(ringway_connection_split(connection, &sender, &receiver));
    while (receive(receiver, &quote)) {
        quote.ask = quote.bid + 1;
        quote.firm = true;
        must(ringway_send(sender, &quote, sizeof quote, RINGWAY_FOR_EVER));
    }
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
    ringway_listener_free(listener);
}

static void ask(ringway_config *config, const char *name, unsigned long count) {
    ringway_connection *connection = NULL;
    ringway_sender *sender = NULL;
    ringway_receiver *receiver = NULL;
    ringway_status status;
    /* The server may be starting. */
    for (int tries = 0; (status = ringway_connect(config, name, &connection)) == RINGWAY_NOT_FOUND && tries < 1000; tries++) usleep(10000);
    must(status);
    must(ringway_connection_split(connection, &sender, &receiver));
    for (unsigned long number = 0; number < count; number++) {
        struct quote quote = {.bid = (double)number, .size = 100};
        must(ringway_send(sender, &quote, sizeof quote, RINGWAY_FOR_EVER));
        if (!receive(receiver, &quote) || quote.ask != (double)number + 1 || !quote.firm) {
            fprintf(stderr, "a wrong answer\n");
            exit(1);
        }
    }
    printf("%lu quotes\n", count);
    ringway_sender_free(sender);
    ringway_receiver_free(receiver);
}

int main(int count, char **words) {
    ringway_config *config = NULL;
    ringway_schema *schema = quotes();
    if (!(count == 3 && strcmp(words[1], "serve") == 0) && !(count == 4 && strcmp(words[1], "ask") == 0)) {
        fprintf(stderr, "usage: typed serve NAME | typed ask NAME COUNT\n");
        return 2;
    }
    must(ringway_config_new(&config));
    must(ringway_config_sends(config, schema));
    must(ringway_config_expects(config, schema));
    if (count == 3) serve(config, words[2]);
    else ask(config, words[2], strtoul(words[3], NULL, 10));
    ringway_schema_free(schema);
    ringway_config_free(config);
    return 0;
}
