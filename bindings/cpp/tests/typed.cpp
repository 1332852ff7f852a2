// Messages: with Rust (`ringway-ffi-peer echo`, `requests` and `slices`), of several kinds, with variable parts, of another version, refused, and lied about.
//
// typed | typed echo PATH | typed requests PATH | typed slices PATH | typed refused PATH
#include "check.hpp"
#include "shapes.hpp"

#include <new>
#include <thread>

using namespace std::chrono_literals;

/// As much time for a handshake as a machine may take that has other things to do.
static ringway::config patient() { return ringway::config().handshake_timeout(60s); }

static Everything sample() {
    Everything message{};
    message.huge = static_cast<ringway::uint128>(7) << 100;
    message.wide = -5;
    message.real = 0.5;
    message.legs[1] = {2.5, 3, Side::Sell, true, {}};
    message.legs[0] = {1.5, 4, Side::Buy, false, {}};
    message.limit = 8.0;
    message.level = Level::Low;
    message.small = {1, -2, 3};
    message.yes = true;
    message.name = "nine ÄÖ";
    const std::byte key[] = {std::byte{1}, std::byte{0}};
    message.key = ringway::bytes<6>(key);
    message.flags = {true, false};
    message.maybe_name = ringway::text<3>("abc");
    message.last = {8, 9};
    return message;
}

static bool same(const Everything &a, const Everything &b) {
    return a.huge == b.huge && a.wide == b.wide && a.real == b.real && a.legs[1].price == b.legs[1].price && a.legs[1].side == b.legs[1].side &&
           a.limit.get() == b.limit.get() && a.level == b.level && !a.maybe_level.has_value() && !b.maybe_level.has_value() && a.small == b.small &&
           a.yes == b.yes && a.name == b.name && a.key.size() == b.key.size() && a.flags == b.flags && a.maybe_name.get() == b.maybe_name.get() && a.last == b.last;
}

/// Whether this thread gets no memory.
static thread_local bool no_memory;

void *operator new(std::size_t size) {
    void *found = no_memory ? nullptr : std::malloc(size ? size : 1);
    if (!found) throw std::bad_alloc();
    return found;
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

/// Somebody may be about to listen there.
template <class S, class R> static ringway::typed_connection<S, R> reach(const std::string &path) {
    for (int tries = 0;; tries++) {
        auto made = ringway::try_connect<S, R>(path, patient());
        if (made) return *std::move(made);
        if (tries == 1000 || made.error().code() != RINGWAY_NOT_FOUND) throw ringway::error(made.error());
        std::this_thread::sleep_for(10ms);
    }
}

static void echo(const std::string &path) {
    auto connection = reach<Everything, Everything>(path);
    for (int round = 0; round < 100; round++) {
        Everything message = sample();
        message.wide = round;
        connection.sender.send(message);
        Everything answer = connection.receiver.recv(60s);
        CHECK(answer.wide == -round && !answer.yes);
        answer.wide = round;
        answer.yes = true;
        CHECK(same(answer, message));
    }
}

static void requests(const std::string &path) {
    auto [sender, receiver] = reach<Request, Request>(path).split();
    sender.send(Cancel{7});
    CHECK(std::get<Cancel>(receiver.recv(60s)).number == 7);
    const std::string_view text = "a text, ÄÖ";
    sender.send(Note{8}, text);
    const auto note = std::get<ringway::received<Note>>(receiver.recv(60s));
    CHECK(note.head.number == 8 && note.tail == text);
    const Leg legs[] = {{1.5, 2, Side::Buy, true, {}}, {2.5, 3, Side::Sell, false, {}}};
    sender.send(Order{9, Side::Sell, {}}, legs);
    const auto order = std::get<ringway::received<Order>>(receiver.recv(60s));
    CHECK(order.head.side == Side::Sell && order.tail.size() == 2 && order.tail[1].price == 2.5);
    sender.send(Order{10, Side::Buy, {}}, std::span<const Leg>{});
    CHECK(std::get<ringway::received<Order>>(receiver.recv(60s)).tail.empty());
    sender.send(sample());
    CHECK(same(std::get<Everything>(receiver.recv(60s)), sample()));
}

template <class S, class R> static auto pair_of() {
    const std::string path = new_path();
    ringway::typed_listener<R, S> listener(path, patient());
    std::optional<ringway::typed_connection<S, R>> client;
    std::thread other([&] { client.emplace(ringway::connect<S, R>(path, patient())); });
    auto server = listener.accept(60s);
    other.join();
    return std::pair(std::move(*client), std::move(server));
}

struct Old {
    double bid;
};
RINGWAY_DESCRIBE_AS(Old, "Quotation", bid)
struct New {
    double bid;
    u64 size = 12;
    ringway::maybe<double> ask;
};
template <> struct ringway::description<New> {
    static constexpr std::string_view name = "Quotation";
    static constexpr auto fields = std::make_tuple(RINGWAY_FIELD(New, bid), RINGWAY_FIELD(New, size).since(2), RINGWAY_FIELD(New, ask).since(2));
};

static void versions() {
    const std::string path = new_path();
    ringway::typed_listener<New, New> listener(path, patient());
    std::optional<ringway::typed_connection<Old, Old>> client;
    std::thread other([&] { client.emplace(ringway::connect<Old, Old>(path, patient())); });
    auto server = listener.accept(60s);
    other.join();
    client->sender.send_slice(std::array{Old{0.5}, Old{1}});
    const auto both = server.receiver.recv_batch(60s);
    CHECK(both.size() == 2 && both[1].bid == 1 && both[1].size == 12 && !both[1].ask.has_value());
    client->sender.send(Old{1.5});
    const New got = server.receiver.recv(60s);
    CHECK(got.bid == 1.5 && got.size == 12 && !got.ask.has_value());
    server.sender.send(New{2.5, 3, 4.5});
    CHECK(client->receiver.recv(60s).bid == 2.5);
}

static ringway::bytes_view view_of_half(const Everything &message) { return ringway::bytes_of(message).first(64); }

static Leg leg(u32 count) { return {0.5 * count, count, count % 2 ? Side::Buy : Side::Sell, false, {}}; }

/// Many in one frame.
static void batches() {
    auto [client, server] = pair_of<Quote, ringway::nothing>();
    const std::vector<Quote> quotes{{1, 2}, {3, 4}, {5, 6}};
    client.sender.send_slice(quotes);
    const auto got = server.receiver.recv_batch(60s);
    CHECK(got.size() == 3 && got[2].ask == 6);
    client.sender.send(Quote{7, 8});
    CHECK(server.receiver.recv_batch(60s).at(0).bid == 7);
    CHECK(client.sender.try_send_slice(std::span<const Quote>{}) && server.receiver.try_recv_batch(60s)->empty());
    CHECK(server.receiver.try_recv_batch().error().code() == RINGWAY_EMPTY);
    CHECK(client.sender.max_batch() == client.sender.untyped().about().max_payload / sizeof(Quote));
    CHECK(client.sender.try_send_slice(std::vector<Quote>(client.sender.max_batch() + 1)).error().code() == RINGWAY_TOO_LARGE);
    // Who takes one is told what to do.
    client.sender.send_slice(quotes);
    CHECK(server.receiver.try_recv(60s).error().text().find("recv_batch") != std::string::npos);
    client.sender.untyped().send(std::array<double, 3>{});
    CHECK(server.receiver.try_recv_batch(60s).error().text().find("a multiple of 16") != std::string::npos);

    auto [asks, answers] = pair_of<Request, ringway::nothing>();
    asks.sender.send_slice(std::array<Everything, 2>{sample(), sample()});
    CHECK(same(answers.receiver.recv_batch<Everything>(60s).at(1), sample()));
    asks.sender.send(Cancel{7});
    CHECK(answers.receiver.try_recv_batch<Everything>(60s).error().text().find("kind 2, where 7") != std::string::npos);
    Everything lie[] = {sample(), sample()};
    reinterpret_cast<unsigned char *>(&lie[1])[offsetof(Everything, yes)] = 2;
    asks.sender.send_slice(lie);
    CHECK(answers.receiver.try_recv_batch<Everything>(60s).error().text().find("`[1].yes`") != std::string::npos);
    CHECK(asks.sender.try_send(Note{8}, std::string_view("text")));
    CHECK(std::get<ringway::received<Note>>(answers.receiver.recv(60s)).tail == "text");
}

/// Each way with Rust.
static void slices(const std::string &path) {
    auto connection = reach<Leg, Leg>(path);
    for (u32 round = 1; round < 50; round++) {
        std::vector<Leg> legs;
        for (u32 at = 0; at < round; at++) legs.push_back(leg(at));
        connection.sender.send_slice(legs);
        const auto answer = connection.receiver.recv_batch(60s);
        CHECK(answer.size() == round);
        for (u32 at = 0; at < round; at++) CHECK(answer[at].count == at + 1 && answer[at].side == leg(at).side && answer[at].price == leg(at).price);
    }
}

/// What a hostile peer may send is told, consumed, and harms nobody.
static void lies() {
    auto [client, server] = pair_of<Everything, Everything>();
    auto &bytes = client.sender.untyped();
    const Everything good = sample();
    const auto lie = [&](std::size_t offset, unsigned char value, const char *path) {
        Everything bad = good;
        reinterpret_cast<unsigned char *>(&bad)[offset] = value;
        bytes.send(bad);
        const auto got = server.receiver.try_recv(60s);
        CHECK(!got && got.error().code() == RINGWAY_MALFORMED);
        if (got.error().text().find(path) == std::string::npos) std::fprintf(stderr, "%s\n", got.error().text().c_str());
        CHECK(got.error().text().find(path) != std::string::npos);
    };
    lie(offsetof(Everything, yes), 2, "`yes`");
    lie(offsetof(Everything, level), 9, "`level`");
    lie(offsetof(Everything, legs) + 16 + offsetof(Leg, side), 3, "`legs[1].side`");
    lie(offsetof(Everything, flags) + 1, 7, "`flags[1]`");
    lie(offsetof(Everything, name), 0xFF, "`name`");
    lie(offsetof(Everything, name) + 2, 0, "`name`");
    lie(offsetof(Everything, key), 7, "`key`");
    lie(offsetof(Everything, limit) + 8, 2, "`limit`");
    lie(offsetof(Everything, limit) + 15, 1, "`limit`");
    lie(offsetof(Everything, maybe_name), 0x80, "`maybe_name`");
    bytes.send(view_of_half(good));
    auto got = server.receiver.try_recv(60s);
    CHECK(!got && got.error().text().find("64 bytes, where 128") != std::string::npos);
    bytes.send_kind(4, ringway::bytes_of(good));
    got = server.receiver.try_recv(60s);
    CHECK(!got && got.error().text().find("kind 4") != std::string::npos);
    client.sender.send(good);
    CHECK(same(server.receiver.recv(60s), good));
}

/// Where there is no memory for a message it is lost, which is told, and the next ones are received.
static void no_room() {
    auto [client, server] = pair_of<Request, ringway::nothing>();
    const std::string text(5000, 'x');
    client.sender.send(Note{8}, std::string_view(text));
    client.sender.send(Cancel{7});
    bool thrown = false;
    no_memory = true;
    try {
        (void)server.receiver.try_recv(60s);
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    no_memory = false;
    CHECK(thrown && std::get<Cancel>(server.receiver.recv(60s)).number == 7);
    CHECK(!server.receiver.try_recv());
}

static void refused(const std::string &path) {
    const auto made = ringway::try_connect<wrong::Quote, wrong::Quote>(path, patient());
    CHECK(!made && made.error().code() == RINGWAY_SCHEMA);
    std::puts(made.error().text().c_str());
}

int main(int count, char **words) {
    const std::string what = count > 1 ? words[1] : "";
    if (what == "echo") echo(words[2]);
    else if (what == "requests") requests(words[2]);
    else if (what == "slices") slices(words[2]);
    else if (what == "refused") return refused(words[2]), 0;
    else {
        auto [client, server] = pair_of<Quote, ringway::nothing>();
        client.sender.send(Quote{1.5, 2.5});
        CHECK(server.receiver.recv(60s).ask == 2.5);
        CHECK(!server.receiver.try_recv());
        const auto schema = ringway::schema_of<Everything>();
        CHECK(schema.field(0, "level").offset == 84 && !schema.try_field(0, "nothing") && schema.json().find("legs") != std::string::npos);
        CHECK(schema.size_of(0) == sizeof(Everything) && !schema.size_of(1));
        THROWS(RINGWAY_SCHEMA, ringway::schema::compare(ringway::schema_of<Quote>(), ringway::schema_of<wrong::Quote>()));
        versions();
        batches();
        lies();
        no_room();
    }
    std::printf("typed %s: ok\n", what.c_str());
}
