// A client that outlives its server, in one process with it; and `halves resuming PATH ROUNDS`, the client of `halves resumed PATH`.
#pragma once

#include "check.hpp"

#include <ringway/ringway.hpp>

#include <poll.h>
#include <thread>

namespace resuming {
using namespace std::chrono_literals;

struct amount {
    std::int64_t value;
};
struct receipt {
    std::int64_t value;
};
/// What another service sends.
struct notice {
    std::int32_t value;
};
} // namespace resuming
RINGWAY_DESCRIBE(resuming::amount, value)
RINGWAY_DESCRIBE(resuming::receipt, value)
RINGWAY_DESCRIBE(resuming::notice, value)

namespace resuming {

inline ringway::config options() { return ringway::config().set(RINGWAY_RESUMABLE, 1).handshake_timeout(60s); }

/// Whoever listens there lets one client in meanwhile.
template <class Listener> class accepts {
  public:
    explicit accepts(Listener &listener) : thread_([&] { made_.emplace(listener.accept(60s)); }) {}
    auto get() {
        thread_.join();
        return *std::move(made_);
    }

  private:
    std::optional<decltype(std::declval<Listener &>().accept())> made_;
    std::thread thread_;
};

inline std::uint64_t value_of(const ringway::frame &frame) {
    std::uint64_t value;
    CHECK(frame.copy_to(std::as_writable_bytes(std::span(&value, 1))).size() == sizeof value);
    return value;
}

/// The next frame has this value, and this is said of it.
inline void gets(ringway::receiver &receiver, std::uint64_t value, unsigned redelivery) {
    const auto frame = receiver.next(60s);
    CHECK(value_of(frame) == value && frame.redelivery() == redelivery);
}

inline void ends(ringway::receiver &receiver) { THROWS(RINGWAY_CLOSED, (void)receiver.next(60s)); }

inline void bytes() {
    const auto path = new_path();
    ringway::listener listener(path, options());
    accepts first(listener);
    auto connection = ringway::connect(path, options());
    const auto lineage = connection.lineage();
    CHECK(lineage && lineage->generation == 0);
    auto [sender, receiver] = std::move(connection).split();
    {
        auto made = first.get();
        CHECK(made.lineage() == lineage);
        auto [answers, requests] = std::move(made).split();
        for (const std::uint64_t value : {0, 1, 2}) sender.send(value);
        gets(requests, 0, 0);
        CHECK(ringway::try_resume(path, sender, receiver, options(), 0s).error().code() == RINGWAY_PEER_LIVES);
        sender.send(std::uint64_t{3});
        auto in_hand = requests.next(60s);
        CHECK(value_of(in_hand) == 1);
        in_hand.leave();
    }
    ends(receiver);
    // Nothing of it is lost by what cannot be.
    THROWS(RINGWAY_INVALID_NAME, (void)ringway::resume(std::string("a\0b", 3), sender, receiver, options()));
    THROWS(RINGWAY_INVALID_CONFIG, (void)ringway::resume(path, sender, receiver, ringway::config()));
    CHECK(ringway::try_resume(path + "-nobody", sender, receiver, options(), 10ms).error().code() == RINGWAY_NOT_FOUND);
    accepts second(listener);
    auto resumed = ringway::resume(path, sender, receiver, options(), 60s);
    CHECK(resumed.unseen == 2 && resumed.in_doubt == 1 && !resumed.broken);
    CHECK(resumed.connection.lineage()->token == lineage->token && resumed.connection.lineage()->generation == 1);
    CHECK(sender.get() == nullptr && receiver.get() == nullptr);
    THROWS(RINGWAY_INVALID_ARGUMENT, (sender.send(std::uint64_t{4}), 0));
    std::tie(sender, receiver) = std::move(resumed.connection).split();
    auto [answers, requests] = second.get().split();
    gets(requests, 1, 2);
    gets(requests, 2, 1);
    gets(requests, 3, 1);
    sender.send(std::uint64_t{4});
    gets(requests, 4, 0);
    answers.send(std::uint64_t{5});
    gets(receiver, 5, 0);

    ringway::listener plain(path + "-plain", ringway::config().handshake_timeout(60s));
    accepts third(plain);
    CHECK(!ringway::connect(path + "-plain", ringway::config().handshake_timeout(60s)).lineage());
    (void)third.get();
}

/// `steps`: one after the other, or all in a call.
inline void messages(bool steps) {
    const auto path = new_path();
    ringway::typed_listener<receipt, amount> listener(path, options());
    accepts first(listener);
    auto [sender, receiver] = ringway::connect<amount, receipt>(path, options()).split();
    {
        auto [answers, requests] = first.get().split();
        sender.send(amount{1});
        sender.send(amount{2});
        CHECK(requests.recv(60s).value == 1);
        answers.send(receipt{1});
        CHECK(requests.recv(60s).value == 2);
    }
    CHECK(receiver.recv(60s).value == 1);
    THROWS(RINGWAY_CLOSED, (void)receiver.recv(60s));
    {
        // Somebody who understands something else is none who takes its place.
        ringway::typed_listener<receipt, notice> other(path + "-other", options());
        std::thread refuses([&] {
            while (other.untyped().refusals().first == 0) CHECK(!other.try_accept(5ms));
        });
        CHECK(ringway::try_resume(path + "-other", sender, receiver, options(), 60s).error().code() == RINGWAY_SCHEMA);
        refuses.join();
    }
    {
        ringway::redial given_up(path, sender, receiver, options());
        CHECK(!(given_up.step<amount, receipt>().value()));
        given_up.take_back(sender, receiver);
    }
    accepts second(listener);
    std::optional<ringway::resumed<ringway::typed_connection<amount, receipt>>> resumed;
    if (steps) {
        ringway::redial redial(path, sender, receiver, options());
        while (!(resumed = redial.step<amount, receipt>().value())) std::this_thread::sleep_for(1ms);
    } else {
        resumed = ringway::resume(path, sender, receiver, options());
    }
    CHECK(resumed->unseen == 0 && resumed->in_doubt == 1 && resumed->connection.lineage()->generation == 1);
    std::tie(sender, receiver) = std::move(resumed->connection).split();
    auto [answers, requests] = second.get().split();
    CHECK(requests.recv(60s).value == 2 && requests.untyped().last().redelivery == 2);
    answers.send(receipt{2});
    CHECK(receiver.recv(60s).value == 2);
}

/// One thread is both sides.
inline void by_steps() {
    const auto path = new_path();
    ringway::listener listener(path, options());
    accepts first(listener);
    auto [sender, receiver] = ringway::connect(path, options()).split();
    (void)first.get();
    sender.send(std::uint64_t{7});
    ends(receiver);
    const auto *before = sender.get();
    THROWS(RINGWAY_INVALID_CONFIG, ringway::redial(path, sender, receiver, options().capacity(5000)));
    {
        ringway::redial given_up(path, sender, receiver, options());
        CHECK(sender.get() == nullptr && !given_up.step().value() && given_up.awaits().descriptor >= 0);
        given_up.take_back(sender, receiver);
        THROWS(RINGWAY_OUT_OF_TURN, (given_up.take_back(sender, receiver), 0));
        CHECK(given_up.step().error().code() == RINGWAY_OUT_OF_TURN);
    }
    {
        // That nobody answers in time is the last word, and no reason to go on.
        auto late = ringway::try_redial(path, sender, receiver, options(), 1ms);
        auto stepped = late->step();
        for (; stepped; stepped = late->step()) {
            CHECK(!*stepped);
            std::this_thread::sleep_for(1ms);
        }
        CHECK(stepped.error().code() == RINGWAY_TIMED_OUT);
        THROWS(RINGWAY_OUT_OF_TURN, (void)late->awaits());
        late->take_back(sender, receiver);
        CHECK(listener.try_accept(ringway::do_not_wait).error().code() == RINGWAY_EMPTY);
    }
    CHECK(!ringway::try_redial(path, sender, receiver, options().capacity(5000), 60s) && sender.get() == before);
    ringway::redial redial(path, sender, receiver, options(), 60s);
    std::optional<ringway::connection> next;
    const auto accept = [&](ringway::wait_time wait) {
        if (auto made = listener.try_accept(wait)) next.emplace(*std::move(made));
    };
    std::optional<ringway::resumed<>> resumed;
    while (!(resumed = redial.step().value())) {
        const auto pause = redial.awaits();
        pollfd lines[] = {{pause.descriptor, POLLIN, 0}, {listener.descriptor(), POLLIN, 0}};
        CHECK(poll(lines, next ? 1 : 2, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(pause.most).count())) >= 0);
        if (!next) accept(ringway::do_not_wait);
    }
    if (!next) accept(60s);
    CHECK(resumed->unseen == 1 && resumed->in_doubt == 0);
    auto [answers, requests] = (*std::move(next)).split();
    gets(requests, 7, 1);
    auto [sends, receives] = std::move(resumed->connection).split();
    sends.send(std::uint64_t{8});
    gets(requests, 8, 0);

    // What was copied out is finished with by who says so.
    sends.send(std::uint64_t{9});
    std::uint64_t value;
    requests.recv_into(value, 60s);
    requests.release();
    { const auto gone = std::pair(std::move(answers), std::move(requests)); }
    ends(receives);
    accepts last(listener);
    const auto nothing = ringway::resume(path, sends, receives, options(), 60s);
    CHECK(value == 9 && nothing.unseen == 0 && nothing.in_doubt == 0);
    (void)last.get();
}

/// In each round it sends an empty frame and four numbers, waits for the server's end, and goes on with the next one until that ends: as `ringway-ffi-peer resume`.
inline void client(const std::string &path, int rounds) {
    for (int round = 0; round < rounds; round++) {
        std::optional<ringway::connection> connection;
        while (!connection) {
            if (auto made = ringway::try_connect(path, options())) connection.emplace(*std::move(made));
            else CHECK(made.error().code() == RINGWAY_NOT_FOUND);
            std::this_thread::sleep_for(1ms);
        }
        auto [sender, receiver] = (*std::move(connection)).split();
        {
            const auto group = sender.group();
            sender.send(ringway::bytes_view{});
            for (const std::uint64_t value : {0, 1, 2, 3}) sender.send(value);
        }
        ends(receiver);
        auto resumed = ringway::resume(path, sender, receiver, options(), 60s);
        auto [_, last] = std::move(resumed.connection).split();
        ends(last);
    }
}

inline void all() {
    bytes();
    messages(false);
    messages(true);
    by_steps();
}

} // namespace resuming
