// Listening sockets that change hands, in one process.
#pragma once

#include "check.hpp"

#include <ringway/ringway.hpp>

#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace handing {
using namespace std::chrono_literals;

struct tick {
    std::int64_t value;
};
} // namespace handing
RINGWAY_DESCRIBE(handing::tick, value)

namespace handing {

inline ringway::config options() { return ringway::config().handshake_timeout(60s); }

/// A client of bytes is let in by that listener.
inline void serves(ringway::listener &listener) {
    std::thread client([path = listener.path()] { ringway::connect(path, options()).split().first.send(std::uint64_t{7}); });
    auto [unused, receiver] = listener.accept(60s).split();
    std::uint64_t number = 0;
    receiver.recv_into(number, 60s);
    client.join();
    CHECK(number == 7);
}

inline void over() {
    {
        const std::string path = new_path();
        ringway::listener old(path, options());
        const int lost = old.hand_over();
        close(lost);
        CHECK(old.try_accept().error().code() == RINGWAY_BUSY);
        old.take_back();
        serves(old);
        ringway::listener next = ringway::listen_on(old.hand_over(), options());
        THROWS(RINGWAY_BUSY, old.accept());
        serves(next);
        unlink(path.c_str());
        THROWS(RINGWAY_NOT_FOUND, old.take_back());
        CHECK(old.try_take_back().error().code() == RINGWAY_NOT_FOUND);
    }
    {
        const std::string path = new_path();
        // The same options serve all of them.
        const ringway::config named = options();
        ringway::typed_listener<tick, tick> old(path, named);
        auto next = ringway::listen_on<tick, tick>(old.hand_over(), named);
        std::thread client([&] { ringway::connect<tick, tick>(path, named).sender.send(tick{8}); });
        CHECK(next.accept(60s).receiver.recv(60s).value == 8);
        client.join();
        unlink(path.c_str());
    }
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(ringway::try_listen_on(ends[0]).error().code() == RINGWAY_DESCRIPTORS);
    CHECK((ringway::try_listen_on<tick, tick>(ends[0]).error().code() == RINGWAY_DESCRIPTORS));
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    CHECK(ringway::inherit().empty());
    CHECK((ringway::inherit<tick, tick>().empty()));
}

} // namespace handing
