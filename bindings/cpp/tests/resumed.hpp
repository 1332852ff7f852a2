// What a server has in hand when it fails: its client, `ringway-ffi-peer resume PATH ROUNDS`, resumes with the next one, which is told what may have been handled.
// `halves resumed PATH` is that server.
#pragma once

#include "check.hpp"

#include <ringway/ringway.hpp>

#include <vector>

namespace replaced {
using namespace std::chrono_literals;

struct number {
    std::uint64_t value;
};
} // namespace replaced
RINGWAY_DESCRIBE(replaced::number, value)

namespace replaced {

/// What a handler throws.
struct failed {};

/// A frame, by its number, and what is said of it: 0 is new, 1 was not seen by the last server, 2 may have been.
struct told {
    std::uint64_t value;
    unsigned redelivery;
    bool operator==(const told &) const = default;
};

static std::uint64_t value_of(const ringway::frame &frame) {
    number read{};
    frame.copy_to(std::as_writable_bytes(std::span(&read, 1)));
    return read.value;
}

/// Answers the first frame, and fails in the second one.
static void throws(ringway::receiver &receiver) {
    CHECK(value_of(receiver.next(60s)) == 0);
    ringway::frame in_hand = receiver.next(60s);
    const ringway::frame moved = std::move(in_hand);
    CHECK(value_of(moved) == 1);
    throw failed{};
}

static void throws_and_comes_back(ringway::receiver &receiver) {
    try {
        throws(receiver);
    } catch (const failed &) {
        CHECK(value_of(receiver.next(60s)) == 2);
    }
}

static void leaves(ringway::receiver &receiver) {
    CHECK(value_of(receiver.next(60s)) == 0);
    receiver.next(60s).leave();
}

static void answers(ringway::receiver &receiver) {
    CHECK(value_of(receiver.next(60s)) == 0);
    CHECK(value_of(receiver.next(60s)) == 1);
}

/// An exception that was on its way before is none of this frame's.
static void answers_while_something_else_fails(ringway::receiver &receiver) {
    struct last_words {
        ringway::receiver &receiver;
        ~last_words() { CHECK(value_of(receiver.next(60s)) == 0); }
    } const says{receiver};
    throw failed{};
}

static void takes_several(ringway::receiver &receiver) {
    std::array<std::byte, 24> room;
    std::array<ringway_part, 8> parts;
    CHECK(receiver.recv_many(room, parts, 60s).size() == 3);
    throw failed{};
}

/// A message is with its handler until that comes back for the next one.
static void takes_messages(ringway::receiver &receiver) {
    ringway::typed_receiver<number> typed(std::move(receiver), std::nullopt);
    CHECK(typed.recv(60s).value == 0);
    CHECK(typed.recv_batch(60s).at(0).value == 1);
    receiver = std::move(typed.untyped());
}

struct way {
    void (*serves)(ringway::receiver &);
    std::vector<told> left;
};

static const way ways[] = {
    {throws, {{1, 2}, {2, 1}, {3, 1}}},
    {throws_and_comes_back, {{3, 1}}},
    {leaves, {{1, 2}, {2, 1}, {3, 1}}},
    {answers, {{2, 1}, {3, 1}}},
    {answers_while_something_else_fails, {{1, 1}, {2, 1}, {3, 1}}},
    {takes_several, {{0, 2}, {1, 2}, {2, 2}, {3, 1}}},
    {takes_messages, {{1, 2}, {2, 1}, {3, 1}}},
};

/// All that the last server has not finished with.
static std::vector<told> rest(ringway::receiver &receiver) {
    std::vector<told> found;
    while (found.empty() || found.back().value < 3) {
        const auto frame = receiver.next(60s);
        found.push_back({value_of(frame), frame.redelivery()});
    }
    return found;
}

inline void serve(const std::string &path) {
    ringway::listener listener(path, ringway::config().set(RINGWAY_RESUMABLE, 1).handshake_timeout(60s));
    for (const auto &[serves, left] : ways) {
        try {
            auto [sender, receiver] = listener.accept(60s).split();
            // The client has sent all that there is.
            CHECK(receiver.next(60s).size() == 0);
            serves(receiver);
        } catch (const failed &) {
        }
        auto [sender, receiver] = listener.accept(60s).split();
        const auto found = rest(receiver);
        CHECK(found == left);
    }
}

} // namespace replaced
