// Bytes: owned handles, throwing and trying calls, frames in place, groups, event loops, counters.
#include "check.hpp"

#include <ringway/ringway.hpp>

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
static_assert(!sendable<std::array<const char *, 2>> && ringway::wait_time(std::chrono::seconds::max()).nanos() == RINGWAY_FOR_EVER);

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

int main() {
    ends all = ends::make();
    auto &[sender, unused] = all.here;
    auto &receiver = all.there.second;
    std::array<std::byte, 256> room;

    sender.send(view("hello"));
    CHECK(words(receiver.recv(room, 60s)) == "hello");
    CHECK(sender.try_send(ringway::bytes_view{}));
    CHECK(receiver.recv(room, 60s).empty());
    const auto nothing = receiver.try_recv(room);
    CHECK(!nothing && nothing.error().code() == RINGWAY_EMPTY && nothing.error().is_not_yet());
    THROWS(RINGWAY_TIMED_OUT, receiver.recv(room, 1us));

    std::array<std::uint64_t, 8> line{1, 2, 3, 4, 5, 6, 7, 8}, copy{};
    sender.send(line);
    receiver.recv_into(copy, 60s);
    CHECK(copy == line);
    sender.send(std::uint32_t{7});
    THROWS(RINGWAY_TRUNCATED, receiver.recv_into(copy, 60s));

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
        CHECK(!receiver.try_next());
        group.publish();
        CHECK(receiver.next().size() == 3);
        CHECK(receiver.next().kind() == 2);
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

    CHECK(receiver.arm());
    pollfd entry{receiver.descriptor(), POLLIN, 0};
    CHECK(poll(&entry, 1, 0) == 0);
    CHECK(sender.try_send_expiring(view("soon"), 60s, 4));
    CHECK(poll(&entry, 1, 60'000) == 1 && !receiver.arm() && receiver.next().kind() == 4);
    CHECK(sender.about().capacity == receiver.about().capacity && !sender.arm(8) && sender.check());

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
