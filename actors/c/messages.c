/* What the cases `typed`, `variable` and `wrong` carry, and how it is printed: alike in every language. */
#include "actor.h"

enum { BUY = 1, SELL = 2 };

struct leg {
    double price;
    uint32_t count;
    uint8_t side;
    bool hidden;
    uint8_t pad[2];
};

struct maybe {
    uint32_t value;
    uint32_t present;
};

struct sample {
    int64_t wide;
    struct leg leg;
    struct maybe limit;
    struct maybe absent;
    char name[9];
    bool yes;
    int16_t small[3];
};

struct order {
    uint64_t number;
    uint8_t side;
    uint8_t pad[7];
};

static ringway_type *plain(int shape, uint32_t size) {
    ringway_type *type;
    MUST(ringway_type_plain(shape, size, &type));
    return type;
}

static ringway_type *array(ringway_type *of, uint32_t count) {
    ringway_type *type;
    MUST(ringway_type_array(of, count, &type));
    ringway_type_free(of);
    return type;
}

static ringway_type *maybe(ringway_type *of) {
    ringway_type *type;
    MUST(ringway_type_maybe(of, &type));
    ringway_type_free(of);
    return type;
}

static ringway_type *side(void) {
    ringway_type *type;
    MUST(ringway_type_enumeration("Side", 1, false, &type));
    MUST(ringway_type_value(type, "Buy", BUY));
    MUST(ringway_type_value(type, "Sell", SELL));
    return type;
}

/* Takes the type. */
static void add(ringway_record *record, const char *name, ringway_type *type, size_t offset, uint32_t size, uint32_t align) {
    ringway_field field = {.name = name, .type_ = type, .offset = (uint32_t)offset, .size = size, .align = align, .since = 1};
    MUST(ringway_record_add(record, &field));
    ringway_type_free(type);
}

static ringway_type *leg_type(void) {
    ringway_record *leg;
    ringway_type *type;
    MUST(ringway_record_new(0, "Leg", sizeof(struct leg), 8, &leg));
    add(leg, "price", plain(RINGWAY_FLOAT, 8), offsetof(struct leg, price), 8, 8);
    add(leg, "count", plain(RINGWAY_UNSIGNED, 4), offsetof(struct leg, count), 4, 4);
    add(leg, "side", side(), offsetof(struct leg, side), 1, 1);
    add(leg, "hidden", plain(RINGWAY_BOOL, 1), offsetof(struct leg, hidden), 1, 1);
    add(leg, "_pad", array(plain(RINGWAY_UNSIGNED, 1), 2), offsetof(struct leg, pad), 2, 1);
    MUST(ringway_type_record(leg, &type));
    ringway_record_free(leg);
    return type;
}

static ringway_record *sample_record(void) {
    ringway_record *record;
    MUST(ringway_record_new(0, "Sample", sizeof(struct sample), 8, &record));
    add(record, "wide", plain(RINGWAY_SIGNED, 8), offsetof(struct sample, wide), 8, 8);
    add(record, "leg", leg_type(), offsetof(struct sample, leg), sizeof(struct leg), 8);
    add(record, "limit", maybe(plain(RINGWAY_UNSIGNED, 4)), offsetof(struct sample, limit), 8, 4);
    add(record, "absent", maybe(plain(RINGWAY_UNSIGNED, 4)), offsetof(struct sample, absent), 8, 4);
    add(record, "name", plain(RINGWAY_TEXT, 9), offsetof(struct sample, name), 9, 1);
    add(record, "yes", plain(RINGWAY_BOOL, 1), offsetof(struct sample, yes), 1, 1);
    add(record, "small", array(plain(RINGWAY_SIGNED, 2), 3), offsetof(struct sample, small), 6, 2);
    return record;
}

static ringway_record *order_record(void) {
    ringway_record *record;
    ringway_type *leg = leg_type();
    MUST(ringway_record_new(0, "Order", sizeof(struct order), 8, &record));
    add(record, "number", plain(RINGWAY_UNSIGNED, 8), 0, 8, 8);
    add(record, "side", side(), 8, 1, 1);
    add(record, "_pad", array(plain(RINGWAY_UNSIGNED, 1), 7), 9, 7, 1);
    MUST(ringway_record_tail_elements(record, "legs", leg, sizeof(struct leg)));
    ringway_type_free(leg);
    return record;
}

/* Two numbers, by the name of a quote. */
static ringway_record *quote_record(const char *second, int shape) {
    ringway_record *record;
    MUST(ringway_record_new(0, "Quote", 16, 8, &record));
    add(record, "bid", plain(RINGWAY_FLOAT, 8), 0, 8, 8);
    add(record, second, plain(shape, 8), 8, 8, 8);
    return record;
}

/* Options of who sends and expects a record; takes it. */
static ringway_config *carrying(ringway_record *record) {
    ringway_config *config;
    ringway_schema *schema;
    MUST(ringway_schema_new(&schema));
    MUST(ringway_schema_add(schema, record));
    MUST(ringway_config_new(&config));
    MUST(ringway_config_set(config, RINGWAY_HANDSHAKE_TIMEOUT, LONG));
    MUST(ringway_config_sends(config, schema));
    MUST(ringway_config_expects(config, schema));
    ringway_schema_free(schema);
    ringway_record_free(record);
    return config;
}

static const char *truth(bool value) { return value ? "true" : "false"; }
static const char *side_name(uint8_t value) { return value == BUY ? "Buy" : value == SELL ? "Sell" : "?"; }

static void print_leg(const struct leg *leg) {
    printf("%g/%u/%s/%s", leg->price, leg->count, side_name(leg->side), truth(leg->hidden));
}

static void print_maybe(const struct maybe *maybe) {
    if (maybe->present) printf(" %u", maybe->value);
    else printf(" none");
}

static void print_sample(const struct sample *sample) {
    /* Asked to misread, it looks for the last field two bytes before its place: the table has to tell. */
    const size_t place = offsetof(struct sample, small) - (getenv("RINGWAY_ACTOR_MISREADS") ? 2 : 0);
    int16_t small[3];
    memcpy(small, (const char *)sample + place, sizeof small);
    printf("%lld ", (long long)sample->wide);
    print_leg(&sample->leg);
    print_maybe(&sample->limit);
    print_maybe(&sample->absent);
    printf(" %.9s %s %d,%d,%d\n", sample->name, truth(sample->yes), small[0], small[1], small[2]);
}

void typed(bool serves, const char *address) {
    ringway_config *config = carrying(sample_record());
    struct ends ends = meet(serves, address, config);
    struct sample sample = {.wide = -5000000000, .leg = {1.5, 7, SELL, true, {0}}, .limit = {7, 1}, .name = "Größe", .yes = true, .small = {1, -2, 300}};
    size_t length;
    if (!serves) MUST(ringway_send(ends.sender, &sample, sizeof sample, LONG));
    memset(&sample, 0, sizeof sample);
    MUST(ringway_recv(ends.receiver, &sample, sizeof sample, LONG, &length));
    print_sample(&sample);
    if (serves) MUST(ringway_send(ends.sender, &sample, sizeof sample, LONG));
    goodbye(serves, ends);
    ringway_config_free(config);
}

void variable(bool serves, const char *address) {
    ringway_config *config = carrying(order_record());
    struct ends ends = meet(serves, address, config);
    struct {
        struct order head;
        struct leg legs[8];
    } orders[2] = {{{9, BUY, {0}}, {{1.5, 2, BUY, true, {0}}, {2.5, 3, SELL, false, {0}}}}, {.head = {10, SELL, {0}}}}, found;
    const size_t lengths[2] = {sizeof(struct order) + 2 * sizeof(struct leg), sizeof(struct order)};
    for (int at = 0; at < 2; at++) {
        size_t length;
        if (!serves) MUST(ringway_sender_send(ends.sender, &orders[at], lengths[at], LONG));
        MUST(ringway_receiver_recv(ends.receiver, &found, sizeof found, LONG, &length));
        printf("%llu %s", (unsigned long long)found.head.number, side_name(found.head.side));
        for (size_t leg = 0; leg < (length - sizeof(struct order)) / sizeof(struct leg); leg++) {
            printf(" ");
            print_leg(&found.legs[leg]);
        }
        printf("\n");
        if (serves) MUST(ringway_sender_send(ends.sender, &found, length, LONG));
    }
    goodbye(serves, ends);
    ringway_config_free(config);
}

/* The two mean different things by the name of one message. */
void wrong(bool serves, const char *address) {
    ringway_connection *connection;
    if (!serves) {
        ringway_config *config = carrying(quote_record("size", RINGWAY_UNSIGNED));
        ringway_status status = reach(config, address, &connection);
        printf("%s\n%s\n", name_of(status), ringway_last_error());
        ringway_config_free(config);
        return;
    }
    ringway_config *config = carrying(quote_record("ask", RINGWAY_FLOAT));
    ringway_listener *listener;
    static char text[65536];
    uint64_t refusals = 0;
    size_t length;
    MUST(ringway_bind(config, address, &listener));
    for (int tries = 0; refusals == 0 && tries < 15000; tries++) {
        if (ringway_listener_accept(listener, 2000000, &connection) == RINGWAY_OK) exit(1);
        MUST(ringway_listener_refusals(listener, &refusals, text, sizeof text, &length));
    }
    printf("%s\n", text);
    ringway_listener_free(listener);
    ringway_config_free(config);
}
