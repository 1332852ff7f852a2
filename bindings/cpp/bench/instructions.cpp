// Instructions of one frame of 64 bytes in C++: as `ffi/bench/instructions.c`. `cargo xtask instructions` runs it; with `typed` behind the count, of a message of 64 bytes.
#include <ringway/ringway.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

struct tick {
    std::array<std::uint64_t, 8> words;
};
RINGWAY_DESCRIBE(tick, words)

/// Makes the compiler write everything that a value holds, as a reader would have it.
template <class T> static inline void observe(const T &value) { __asm__ volatile("" : : "r"(&value) : "memory"); }

// Apart: loops in one function share its registers.
[[gnu::noinline]] static void bytes(ringway::sender &sender, ringway::receiver &receiver, std::uint64_t frames) {
    std::array<std::uint64_t, 8> buffer;
    for (std::uint64_t n = frames; n != 0; n--) {
        const std::array<std::uint64_t, 8> payload{n, n, n, n, n, n, n, n};
        observe(payload);
        sender.send(payload);
        receiver.recv_into(buffer);
        observe(buffer);
    }
}

[[gnu::noinline]] static void messages(ringway::typed_sender<tick> &sender, ringway::typed_receiver<tick> &receiver, std::uint64_t frames) {
    tick buffer;
    for (std::uint64_t n = frames; n != 0; n--) {
        const tick payload{{n, n, n, n, n, n, n, n}};
        observe(payload);
        sender.send(payload);
        receiver.recv_into(buffer);
        observe(buffer);
    }
}

template <class Connection, class Listener> static auto ends(const std::string &path, auto connect) {
    Listener listener(path);
    std::optional<Connection> client;
    std::thread other([&] { client.emplace(connect(path)); });
    auto server = listener.accept();
    other.join();
    return std::pair(std::move(*client).split(), std::move(server).split());
}

int main(int count, char **words) {
    if (count < 3) {
        std::fprintf(stderr, "usage: %s PATH FRAMES [typed]\n", words[0]);
        return 2;
    }
    const auto frames = std::strtoull(words[2], nullptr, 10);
    if (count == 3) {
        auto [client, server] = ends<ringway::connection, ringway::listener>(words[1], [](const auto &path) { return ringway::connect(path); });
        bytes(client.first, server.second, frames);
    } else {
        using connection = ringway::typed_connection<tick, tick>;
        auto [client, server] = ends<connection, ringway::typed_listener<tick, tick>>(words[1], [](const auto &path) { return ringway::connect<tick, tick>(path); });
        messages(client.first, server.second, frames);
    }
    return 0;
}
