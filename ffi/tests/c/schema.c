/* A schema made by calls, its fingerprint and its fields by name; and what a client is told whose messages differ.
 *
 * schema FINGERPRINT: that of `Everything`, as Rust has it. schema refused PATH: prints what it is told there. */
#include "check.h"

static ringway_type *plain(int shape, uint32_t size) {
    ringway_type *type;
    OK(ringway_type_plain(shape, size, &type));
    return type;
}

/* The next field; takes the type. */
static void add(ringway_record *record, const char *name, ringway_type *type, uint32_t size, uint32_t align) {
    static ringway_record *last;
    static uint32_t offset;
    if (last != record) offset = 0;
    last = record;
    ringway_field field = {.name = name, .type_ = type, .offset = offset, .size = size, .align = align, .since = 1};
    OK(ringway_record_add(record, &field));
    offset += size;
    ringway_type_free(type);
}

static ringway_type *array(ringway_type *of, uint32_t count) {
    ringway_type *type;
    OK(ringway_type_array(of, count, &type));
    ringway_type_free(of);
    return type;
}

static ringway_type *maybe(ringway_type *of) {
    ringway_type *type;
    OK(ringway_type_maybe(of, &type));
    ringway_type_free(of);
    return type;
}

static ringway_type *level(void) {
    ringway_type *type;
    OK(ringway_type_enumeration("Level", 4, true, &type));
    OK(ringway_type_value(type, "High", 1));
    OK(ringway_type_value(type, "Low", -70000));
    OK(ringway_type_value(type, "Middle", 0));
    return type;
}

static ringway_record *everything(void) {
    ringway_record *leg, *record;
    ringway_type *side, *leg_type;
    OK(ringway_type_enumeration("Side", 1, false, &side));
    OK(ringway_type_value(side, "Buy", 1));
    OK(ringway_type_value(side, "Sell", 2));
    OK(ringway_record_new(0, "Leg", 16, 8, &leg));
    add(leg, "price", plain(RINGWAY_FLOAT, 8), 8, 8);
    add(leg, "count", plain(RINGWAY_UNSIGNED, 4), 4, 4);
    add(leg, "side", side, 1, 1);
    add(leg, "hidden", plain(RINGWAY_BOOL, 1), 1, 1);
    add(leg, "_pad", array(plain(RINGWAY_UNSIGNED, 1), 2), 2, 1);
    OK(ringway_type_record(leg, &leg_type));
    ringway_record_free(leg);

    OK(ringway_record_new(0, "Everything", 128, 16, &record));
    add(record, "huge", plain(RINGWAY_UNSIGNED, 16), 16, 16);
    add(record, "wide", plain(RINGWAY_SIGNED, 8), 8, 8);
    add(record, "real", plain(RINGWAY_FLOAT, 8), 8, 8);
    add(record, "legs", array(leg_type, 2), 32, 8);
    add(record, "limit", maybe(plain(RINGWAY_FLOAT, 8)), 16, 8);
    add(record, "short", plain(RINGWAY_FLOAT, 4), 4, 4);
    add(record, "level", level(), 4, 4);
    add(record, "maybe_level", maybe(level()), 8, 4);
    add(record, "small", array(plain(RINGWAY_SIGNED, 2), 3), 6, 2);
    add(record, "yes", plain(RINGWAY_BOOL, 1), 1, 1);
    add(record, "name", plain(RINGWAY_TEXT, 9), 9, 1);
    add(record, "key", plain(RINGWAY_BYTES, 6), 8, 1);
    add(record, "flags", array(plain(RINGWAY_BOOL, 1), 2), 2, 1);
    add(record, "maybe_name", maybe(plain(RINGWAY_TEXT, 3)), 4, 1);
    add(record, "last", array(plain(RINGWAY_UNSIGNED, 1), 2), 2, 1);
    return record;
}

static ringway_schema *of(ringway_record *record) {
    ringway_schema *schema;
    OK(ringway_schema_new(&schema));
    OK(ringway_schema_add(schema, record));
    ringway_record_free(record);
    return schema;
}

static void fields(const ringway_schema *schema) {
    ringway_place place;
    OK(ringway_schema_field(schema, 0, "level", &place));
    CHECK(place.offset == 84 && place.size == 4 && place.shape == RINGWAY_ENUMERATION && place.count == 1);
    OK(ringway_schema_field(schema, 0, "legs", &place));
    CHECK(place.offset == 32 && place.size == 32 && place.shape == RINGWAY_ARRAY && place.count == 2 && place.of == RINGWAY_RECORD);
    OK(ringway_schema_field(schema, 0, "name", &place));
    CHECK(place.shape == RINGWAY_TEXT && place.count == 9);
    OK(ringway_schema_field(schema, 0, "limit", &place));
    CHECK(place.shape == RINGWAY_MAYBE && place.of == RINGWAY_FLOAT);
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(schema, 0, "price", &place));
    SAYS("it has huge, wide");
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(schema, 0, "wide.x", &place));
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(schema, 1, "wide", &place));
    size_t size, length;
    char name[20];
    OK(ringway_schema_record(schema, 0, &size, name, sizeof name, &length));
    CHECK(size == 128 && strcmp(name, "Everything") == 0);
}

static void tables(const ringway_schema *schema) {
    static char table[65536], json[65536];
    size_t length;
    OK(ringway_schema_encode(schema, table, sizeof table, &length));
    ringway_schema *again;
    OK(ringway_schema_decode(table, length, &again));
    OK(ringway_schema_compare(schema, again));
    ringway_schema_free(again);
    GIVES(RINGWAY_SCHEMA, ringway_schema_decode(table, length - 1, &again));
    GIVES(RINGWAY_TRUNCATED, ringway_schema_encode(schema, table, 10, &length));
    CHECK(length > 10);
    OK(ringway_schema_json(schema, json, sizeof json, &length));
    CHECK(strlen(json) == length && strstr(json, "maybe_level") != NULL);
}

static void rules(void) {
    ringway_record *record;
    ringway_schema *schema;
    ringway_type *type;
    OK(ringway_record_new(3, "Gap", 16, 8, &record));
    add(record, "first", plain(RINGWAY_UNSIGNED, 4), 4, 4);
    OK(ringway_schema_new(&schema));
    GIVES(RINGWAY_SCHEMA, ringway_schema_add(schema, record));
    SAYS("bytes, and its fields end at ");
    ringway_record_free(record);
    /* Its fields are of the first version: 0 says nothing else. */
    OK(ringway_record_new(3, "Plain", 4, 4, &record));
    ringway_field first = {.name = "first", .type_ = plain(RINGWAY_UNSIGNED, 4), .size = 4, .align = 4};
    OK(ringway_record_add(record, &first));
    ringway_type_free((ringway_type *)first.type_);
    ringway_schema *other;
    OK(ringway_schema_new(&other));
    OK(ringway_schema_add(other, record));
    ringway_record_free(record);
    OK(ringway_record_new(3, "Note", 0, 1, &record));
    OK(ringway_record_tail_text(record, "text"));
    OK(ringway_schema_add(schema, record));
    GIVES(RINGWAY_SCHEMA, ringway_schema_add(schema, record));
    OK(ringway_record_tail_elements(record, "list", (type = plain(RINGWAY_UNSIGNED, 2)), 2));
    ringway_place place;
    OK(ringway_schema_field(schema, 3, "text", &place));
    CHECK(place.offset == 0 && place.size == 1 && place.count == 0);
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(schema, 3, "text.first", &place));
    SAYS("`text` is no record");
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(schema, 3, "text.", &place));
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(schema, 3, "txt", &place));
    SAYS("it has text");
    GIVES(RINGWAY_NO_SUCH_FIELD, ringway_schema_field(other, 2, "first", &place));
    OK(ringway_schema_field(other, 3, "first", &place));
    const ringway_shape unsigned_shape = RINGWAY_UNSIGNED;
    CHECK(place.shape == unsigned_shape && place.of == unsigned_shape);
    /* Nothing in common: what there is is told, and no empty line behind it. */
    ringway_schema *apart;
    OK(ringway_schema_new(&apart));
    ringway_record *away;
    OK(ringway_record_new(4, "Away", 0, 1, &away));
    OK(ringway_schema_add(apart, away));
    GIVES(RINGWAY_SCHEMA, ringway_schema_compare(other, apart));
    SAYS("`Plain` of kind 3 where it is written, `Away` of kind 4 where it is read");
    CHECK(ringway_last_error()[strlen(ringway_last_error()) - 1] != '\n');
    ringway_record_free(away);
    ringway_schema_free(apart);
    ringway_schema_free(other);
    ringway_record_free(record);
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_type_value(type, "x", 1));
    ringway_type_free(type);
    ringway_schema_free(schema);
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_type_plain(RINGWAY_FLOAT, 16, &type));
    GIVES(RINGWAY_INVALID_ARGUMENT, ringway_type_plain(99, 1, &type));
}

/* What lies in what has a bound, long before anything that walks through it needs more stack than there is. */
static void deep(void) {
    ringway_type *type = plain(RINGWAY_UNSIGNED, 1), *outer;
    for (int depth = 1; depth < 8; depth++) type = depth % 2 ? maybe(type) : array(type, 1);
    GIVES(RINGWAY_SCHEMA, ringway_type_maybe(type, &outer));
    SAYS("too deep");
    GIVES(RINGWAY_SCHEMA, ringway_type_array(type, 1, &outer));
    ringway_type_free(type);

    ringway_status status = RINGWAY_OK;
    int depth = 0;
    type = plain(RINGWAY_UNSIGNED, 1);
    for (; status == RINGWAY_OK && depth < 100000; depth++) {
        ringway_record *record;
        OK(ringway_record_new(0, "Inner", 1, 1, &record));
        if (depth % 2) OK(ringway_record_tail_elements(record, "tail", type, 1));
        else add(record, "inner", type, 1, 1);
        if (depth % 2) ringway_type_free(type);
        status = ringway_type_record(record, &type);
        ringway_record_free(record);
    }
    CHECK(status == RINGWAY_SCHEMA && depth == 8);
    SAYS("at most 8");
}

static void refused(const char *path) {
    ringway_record *record;
    ringway_config *config;
    ringway_connection *connection;
    OK(ringway_record_new(0, "Quote", 16, 8, &record));
    add(record, "bid", plain(RINGWAY_FLOAT, 8), 8, 8);
    add(record, "size", plain(RINGWAY_UNSIGNED, 8), 8, 8);
    ringway_schema *schema = of(record);
    config = new_config();
    OK(ringway_config_sends(config, schema));
    OK(ringway_config_expects(config, schema));
    GIVES(RINGWAY_SCHEMA, ringway_connect(config, path, &connection));
    puts(ringway_last_error());
    ringway_config_free(config);
    ringway_schema_free(schema);
}

int main(int count, char **words) {
    if (count == 3) {
        refused(words[2]);
        return 0;
    }
    CHECK(count == 2);
    ringway_schema *schema = of(everything());
    uint8_t print[16];
    char letters[33];
    OK(ringway_schema_fingerprint(schema, &print));
    for (int at = 0; at < 16; at++) snprintf(letters + 2 * at, 3, "%02x", print[at]);
    if (strcmp(letters, words[1]) != 0) {
        fprintf(stderr, "%s, where Rust has %s\n", letters, words[1]);
        return 1;
    }
    fields(schema);
    tables(schema);
    rules();
    deep();
    ringway_schema_free(schema);
    puts("schema: ok");
    return 0;
}
