// Bytes: owned handles, throwing and trying calls, frames in place, groups, event loops, counters.
//
// halves | halves resumed PATH | halves resuming PATH ROUNDS
#include "check.hpp"
#include "handing.hpp"
#include "resumed.hpp"
#include "resuming.hpp"

#include <ringway/ringway.hpp>

#include <atomic>
#include <poll.h>
#include <thread>
#include <type_traits>

using namespace std::chrono_literals;

/// As much time for a handshake as a machine may take that has other things to do.
static ringway::config patient() { return ringway::config().handshake_timeout(60s); }

static_assert(!std::is_copy_constructible_v<ringway::sender> && std::is_nothrow_move_constructible_v<ringway::sender>);
static_assert(!std::is_copy_constructible_v<ringway::receiver> && std::is_nothrow_move_constructible_v<ringway::frame>);
static_assert(!std::is_copy_constructible_v<ringway::connection> && !std::is_copy_assignable_v<ringway::group>);

// What has addresses or may have padding is not sent as the bytes that it is.
template <class T>
concept sendable = requires(ringway::sender &sender, const T &value) { sender.send(value); };
struct padded {
    char first;
    int second;
};
static_assert(sendable<int> && sendable<double> && sendable<std::array<float, 3>> && sendable<ringway::bytes_view>);
static_assert(!sendable<std::string_view> && !sendable<const char *> && !sendable<int *> && !sendable<padded> && !sendable<long double>);
// A deadline that has passed is no wait without end: that is one thing alone.
static_assert(ringway::wait_time(std::chrono::seconds::min()).nanos() == 0 && ringway::wait_time(-3s).nanos() == 0 && ringway::wait_time(-1ns).nanos() == 0);
static_assert(ringway::wait_time(1.5ms).nanos() == 1'500'000 && ringway::do_not_wait.nanos() == 0 && ringway::for_ever.nanos() == RINGWAY_FOR_EVER);
static_assert(!sendable<std::array<const char *, 2>> && ringway::wait_time(std::chrono::seconds::max()).nanos() == RINGWAY_FOR_EVER);

// What a peer sends is received over what any bytes are a value of, or what is checked.
template <class T>
concept receivable = requires(ringway::receiver &receiver, T &value) { receiver.recv_into(value); };
enum class undescribed : std::uint8_t { only };
enum class side : std::uint8_t { buy = 1, sell = 2 };
RINGWAY_ENUM(side, buy, sell)
struct deal {
    std::uint8_t flags[2];
    side way;
    bool open;
};
RINGWAY_DESCRIBE(deal, flags, way, open)
static_assert(receivable<int> && receivable<std::array<float, 3>> && receivable<bool> && receivable<side> && receivable<deal> && receivable<std::array<deal, 2>>);
static_assert(!receivable<undescribed> && !receivable<std::array<undescribed, 2>> && !receivable<padded> && !receivable<long double>);

// A name that is split is given up, which has to be seen.
template <class T>
concept splits_by_name = requires(T &made) { made.split(); };
static_assert(!splits_by_name<ringway::connection> && !splits_by_name<ringway::typed_connection<deal, deal>>);

/// Deadlines, as points of time and as what is left to them.
static void moments(ringway::receiver &receiver) {
    std::array<std::byte, 8> room;
    const auto passed = std::chrono::steady_clock::now() - 10ms;
    const auto begun = std::chrono::steady_clock::now();
    CHECK(receiver.try_recv(room, passed - std::chrono::steady_clock::now()).error().code() == RINGWAY_EMPTY);
    CHECK(receiver.try_recv(room, passed).error().code() == RINGWAY_EMPTY);
    CHECK(receiver.try_recv(room, std::chrono::system_clock::time_point::min()).error().code() == RINGWAY_EMPTY);
    // Who is stalled before it looks at the clock has no time left to wait.
    ringway::status code = RINGWAY_EMPTY;
    for (int turn = 0; turn < 10 && code == RINGWAY_EMPTY; turn++) code = receiver.try_recv(room, std::chrono::steady_clock::now() + 20ms).error().code();
    CHECK(code == RINGWAY_TIMED_OUT);
    CHECK(std::chrono::steady_clock::now() - begun >= 20ms);
    CHECK(ringway::wait_time(std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>::max()).nanos() == RINGWAY_FOR_EVER);
    CHECK(ringway::wait_time(std::chrono::system_clock::now() + 1h).nanos() > 3'500'000'000'000);
}

/// No value of a peer's is one that the type does not have.
static void lies(ringway::sender &sender, ringway::receiver &receiver) {
    const unsigned char two = 2, bad[4] = {0, 0, 3, 1}, good[4] = {7, 8, 2, 1};
    bool truth = true;
    sender.send(two);
    THROWS(RINGWAY_MALFORMED, receiver.recv_into(truth, 60s));
    CHECK(!truth);
    truth = true;
    THROWS(RINGWAY_TIMED_OUT, receiver.recv_into(truth, 1us));
    CHECK(!truth);
    side way = side::buy;
    sender.send(static_cast<unsigned char>(9));
    THROWS(RINGWAY_MALFORMED, receiver.recv_into(way, 60s));
    deal got{};
    sender.send(bad);
    try {
        receiver.recv_into(got, 60s);
        CHECK(false);
    } catch (const ringway::error &error) {
        CHECK(error.code() == RINGWAY_MALFORMED && std::string_view(error.what()).find("`way`") != std::string_view::npos);
    }
    sender.send(good);
    receiver.recv_into(got, 60s);
    CHECK(got.flags[1] == 8 && got.way == side::sell && got.open);
}

/// Several in one call.
static void several(ringway::sender &sender, ringway::receiver &receiver) {
    const ringway_payload payloads[] = {{"one", 3}, {"three", 5}};
    std::array<std::byte, 64> room;
    std::array<ringway_part, 8> parts;
    sender.send_many(payloads);
    const auto got = receiver.recv_many(room, parts, 60s);
    CHECK(got.size() == 2 && got[1].offset == 8 && got[1].length == 5 && std::memcmp(room.data() + 8, "three", 5) == 0);
    std::size_t sent = 7;
    CHECK(sender.try_send_many({}, sent) && sent == 0);
    CHECK(receiver.try_recv_many(room, parts).error().code() == RINGWAY_EMPTY);
    auto space = sender.reserve(8, ringway::for_ever, 8);
    const auto refused = sender.try_reserve(8, 1s, 3);
    CHECK(!refused);
}

/// Each setter, on a name and on what has none.
static void options() {
    ringway::config named;
    named.capacity(1 << 16).handshake_timeout(60s).sends(ringway::schema_of<deal>()).expects(ringway::schema_of<deal>()).lanes(1).wait(RINGWAY_WAIT_PARK);
    const std::string path = new_path();
    ringway::listener listener(path, ringway::config().sends(ringway::schema_of<deal>()).expects(ringway::schema_of<deal>()).handshake_timeout(60s).capacity(1 << 16));
    CHECK(listener.path() == path && listener.refusals() == std::pair(std::uint64_t{0}, std::string()));
    // Until both have had their answers.
    std::atomic<bool> answered = false;
    std::thread accepts([&] {
        while (!answered) CHECK(listener.try_accept(20ms).error().code() == RINGWAY_TIMED_OUT);
    });
    CHECK(ringway::observed(path, named).peer().pid == getpid());
    CHECK(ringway::try_connect(path, patient().lanes(2)).error().code() != RINGWAY_OK);
    answered = true;
    accepts.join();
    CHECK(listener.refusals().first == 1 && !listener.refusals().second.empty());
    // What would be cut at the zero is another address.
    const std::string cut = path + std::string("\0x", 2);
    CHECK(ringway::try_connect(cut).error().code() == RINGWAY_INVALID_NAME);
    THROWS(RINGWAY_INVALID_NAME, ringway::listener(new_path() + std::string("\0", 1)));
    THROWS(RINGWAY_INVALID_NAME, ringway::observed(cut));
}

struct ends {
    ringway::listener listener;
    std::pair<ringway::sender, ringway::receiver> here, there;

    static ends make() {
        const std::string path = new_path();
        ringway::listener listener(path, patient());
        std::optional<ringway::connection> other;
        std::thread client([&] { other = ringway::connect(path, patient()); });
        auto accepted = listener.accept(60s);
        client.join();
        CHECK(accepted.peer().pid == getpid() && !accepted.peer_sends());
        return {std::move(listener), std::move(accepted).split(), std::move(*other).split()};
    }
};

static std::string_view words(ringway::bytes_view bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }
static ringway::bytes_view view(std::string_view words) { return std::as_bytes(std::span(words)); }

int main(int count, char **arguments) {
    if (count == 3 && std::string_view(arguments[1]) == "resumed") {
        replaced::serve(arguments[2]);
        return 0;
    }
    if (count == 4 && std::string_view(arguments[1]) == "resuming") {
        resuming::client(arguments[2], std::atoi(arguments[3]));
        return 0;
    }
    handing::over();
    ends all = ends::make();
    auto &[sender, unused] = all.here;
    auto &receiver = all.there.second;
    std::array<std::byte, 256> room;

    sender.send(view("hello"));
    CHECK(words(receiver.recv(room, 60s)) == "hello");
    CHECK(sender.try_send(ringway::bytes_view{}));
    CHECK(receiver.recv(ringway::bytes_room{}, 60s).empty());
    const auto nothing = receiver.try_recv(room);
    CHECK(!nothing && nothing.error().code() == RINGWAY_EMPTY && nothing.error().is_not_yet());
    THROWS(RINGWAY_TIMED_OUT, receiver.recv(room, 1us));

    std::array<std::uint64_t, 8> line{1, 2, 3, 4, 5, 6, 7, 8}, copy{};
    sender.send(line);
    receiver.recv_into(copy, 60s);
    CHECK(copy == line);
    sender.send(std::uint32_t{7});
    THROWS(RINGWAY_MALFORMED, receiver.recv_into(copy, 60s));
    sender.send(view("one that is longer stays unread, and whoever has room for it receives it"));
    THROWS(RINGWAY_TRUNCATED, receiver.recv_into(copy, 60s));
    CHECK(words(receiver.recv(room)).starts_with("one that is longer"));
    CHECK(sender.try_send_expiring(view("late"), -1s).error().code() == RINGWAY_EXPIRED);
    THROWS(RINGWAY_INVALID_ARGUMENT, ringway::config().handshake_timeout(-1s));

    {
        auto space = sender.reserve(100);
        THROWS(RINGWAY_OUT_OF_TURN, sender.send(view("x")));
        std::memcpy(space.bytes().data(), "in place", 8);
        space.commit(8, 3);
        auto dropped = sender.reserve(100);
    }
    {
        const auto frame = receiver.next(60s);
        CHECK(frame.size() == 8 && frame.kind() == 3 && frame.priority() == 0 && words(frame.trusted()) == "in place");
        CHECK(words(frame.copy_to(room, 3)) == "place" && frame.to_vector().size() == 8);
        const auto second = receiver.try_next();
        CHECK(!second && second.error().code() == RINGWAY_OUT_OF_TURN);
    }
    {
        auto group = sender.group();
        sender.send(view("one"));
        sender.send_kind(2, view("two"));
        CHECK(sender.try_send_kind(4, view("tried")));
        CHECK(sender.try_send_kind(5, view("waited"), 60s));
        {
            auto reserved = sender.try_reserve(8);
            CHECK(reserved);
            reserved->commit(8, 6);
        }
        CHECK(!receiver.try_next());
        group.publish();
        CHECK(receiver.next().size() == 3);
        for (const int kind : {2, 4, 5, 6}) CHECK(receiver.next().kind() == kind);
        auto other = sender.group();
        sender.send(view("three"));
    }
    CHECK(receiver.next(60s).size() == 5);
    {
        // A reservation that outlives its group is given up with it.
        std::optional<ringway::reservation> late;
        {
            auto group = sender.group();
            sender.send(view("four"));
            late.emplace(sender.reserve(8));
        }
        CHECK(receiver.next(60s).size() == 4);
        THROWS(RINGWAY_OUT_OF_TURN, (late->commit(), 0));
    }
    sender.send(view("seen"));
    CHECK(receiver.next(60s).size() == 4);
    {
        sender.send(view("left"));
        auto left = receiver.next(60s);
        left.leave();
        THROWS(RINGWAY_INVALID_ARGUMENT, (left.leave(), 0));
        CHECK(receiver.try_next().error().code() == RINGWAY_EMPTY);
    }

    CHECK(receiver.arm());
    pollfd entry{receiver.descriptor(), POLLIN, 0};
    CHECK(poll(&entry, 1, 0) == 0);
    CHECK(sender.try_send_expiring(view("soon"), 60s, 4));
    CHECK(poll(&entry, 1, 60'000) == 1 && !receiver.arm() && receiver.next().kind() == 4);
    CHECK(sender.about().capacity == receiver.about().capacity && !sender.arm(8) && sender.check());
    CHECK(!sender.arm(8, 8) && !sender.arm(8, 1));
    THROWS(RINGWAY_ALIGNMENT, (void)sender.arm(8, 128));
    CHECK(sender.try_reserve(8, ringway::do_not_wait, 128).error().code() == RINGWAY_ALIGNMENT);

    {
        const auto ends_receive = receiver.interrupter();
        std::thread waits([&] { THROWS(RINGWAY_INTERRUPTED, receiver.recv(room)); });
        std::this_thread::sleep_for(20ms);
        ends_receive.interrupt();
        waits.join();
        const auto ends_send = sender.interrupter();
        ends_send.interrupt();
        ringway::expected<void> sent;
        std::size_t count = 0;
        for (; (sent = sender.try_send(room, 60s)); count++) {}
        CHECK(sent.error().code() == RINGWAY_INTERRUPTED && !sent.error().is_not_yet());
        for (; count > 0; count--) CHECK(receiver.recv(room, 60s).size() == room.size());
    }

    moments(receiver);
    lies(sender, receiver);
    several(sender, receiver);
    options();
    resuming::all();

    const auto counters = ringway::counters::own();
    CHECK(counters.connections() == 2 && counters.value(0, "lanes") == 1 && counters.name(0) == counters.name(1));
    THROWS(RINGWAY_NO_SUCH_FIELD, counters.value(0, "luck"));
    THROWS(RINGWAY_NOT_FOUND, ringway::connect("/tmp/ringway-nobody-listens-here"));
    THROWS(RINGWAY_INVALID_CONFIG, ringway::listener(new_path(), ringway::config().capacity(5000)));
    const auto refused = ringway::try_connect("not a name");
    CHECK(!refused && refused.error().code() == RINGWAY_INVALID_NAME && !refused.error().text().empty());

    { const ringway::sender gone = std::move(sender); }
    THROWS(RINGWAY_CLOSED, receiver.next(60s));
    std::puts("halves: ok");
}
