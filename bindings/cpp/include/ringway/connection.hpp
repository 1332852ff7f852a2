// Finding each other.
#pragma once

#include <ringway/config.hpp>
#include <ringway/receiver.hpp>
#include <ringway/sender.hpp>

#include <algorithm>
#include <utility>

namespace ringway {

/// The line of connections that one belongs to, each of which resumes the one before. With the priority and the position of a frame the token names it for good.
struct lineage {
    std::array<std::uint8_t, 16> token;
    /// How many there were before.
    std::uint32_t generation;
    bool operator==(const lineage &) const = default;
};

/// Both directions to one peer, to be taken apart.
class connection {
  public:
    /// Takes a handle over.
    explicit connection(ringway_connection *handle) : handle_(handle) {}

    [[nodiscard]] ringway_peer peer() const {
        ringway_peer peer;
        detail::must(ringway_connection_peer(handle_.get(), &peer));
        return peer;
    }
    /// What the peer says that it sends, if it says so.
    [[nodiscard]] std::optional<schema> peer_sends() const { return told(ringway_connection_peer_sends); }
    /// What it says that it expects.
    [[nodiscard]] std::optional<schema> peer_expects() const { return told(ringway_connection_peer_expects); }

    /// Of one that can be resumed.
    [[nodiscard]] std::optional<ringway::lineage> lineage() const {
        ringway::lineage found;
        std::uint8_t token[16];
        const status code = ringway_connection_lineage(handle_.get(), &token, &found.generation);
        if (code == RINGWAY_NO_SUCH_FIELD) return {};
        detail::must(code);
        std::copy(std::begin(token), std::end(token), found.token.begin());
        return found;
    }

    /// The halves, each of which may live in a thread of its own. It takes the connection: `std::move(connection).split()`.
    [[nodiscard]] std::pair<sender, receiver> split() && {
        ringway_sender *sends;
        ringway_receiver *receives;
        detail::must(ringway_connection_split(handle_.get(), &sends, &receives));
        (void)handle_.release();
        return {sender(sends), receiver(receives)};
    }
    /// A connection that has a name is given up by it, which has to be seen: `std::move(connection).split()`.
    void split() & = delete;

  private:
    template <class F> std::optional<schema> told(F ask) const {
        ringway_schema *found;
        const status code = ask(handle_.get(), &found);
        if (code == RINGWAY_NO_SUCH_FIELD) return {};
        detail::must(code);
        return schema(found);
    }

    detail::owned<ringway_connection, ringway_connection_free> handle_;
};

/// Connects to a listener, by its name, or by a path, which is what contains a slash.
[[nodiscard]] inline expected<connection> try_connect(const std::string &address, const config &options = {}) {
    ringway_connection *made;
    const auto done = detail::at(address, [&](const char *place) { return ringway_connect(options.get(), place, &made); });
    if (!done) return done.error();
    return connection(made);
}
[[nodiscard]] inline connection connect(const std::string &address, const config &options = {}) {
    return std::move(try_connect(address, options).value());
}

/// Waits for clients. One thread at a time uses it.
class listener {
  public:
    explicit listener(const std::string &address, const config &options = {}) {
        ringway_listener *made;
        detail::at(address, [&](const char *place) { return ringway_bind(options.get(), place, &made); }).value();
        handle_.reset(made);
    }
    /// Takes a handle over.
    explicit listener(ringway_listener *handle) : handle_(handle) {}

    /// The next client that completes the handshake. `RINGWAY_BUSY`: it was handed over, and no handshake of its own is left.
    [[nodiscard]] connection accept(wait_time wait = for_ever) { return std::move(try_accept(wait).value()); }
    [[nodiscard]] expected<connection> try_accept(wait_time wait = do_not_wait) {
        ringway_connection *made;
        const status code = ringway_listener_accept(handle_.get(), wait.nanos(), &made);
        if (code != RINGWAY_OK) return failure::of(code);
        return connection(made);
    }
    /// The path of its socket.
    [[nodiscard]] std::string path() const {
        return detail::text_of([&](char *room, std::size_t size, std::size_t *length) { return ringway_listener_path(handle_.get(), room, size, length); });
    }
    /// Clients that were refused, and why the last one was: the words that it was told.
    [[nodiscard]] std::pair<std::uint64_t, std::string> refusals() const {
        std::uint64_t count = 0;
        auto last = detail::text_of([&](char *room, std::size_t size, std::size_t *length) { return ringway_listener_refusals(handle_.get(), &count, room, size, length); });
        return {count, std::move(last)};
    }
    /// Readable when `try_accept` has something to do.
    [[nodiscard]] int descriptor() const {
        int descriptor;
        detail::must(ringway_listener_descriptor(handle_.get(), &descriptor));
        return descriptor;
    }
    /// Hands the listening socket over: takes no more clients, and gives a descriptor with which another process does (`listen_on`), sent to it in whatever way; it is the caller's to close, and closed on `exec`. Clients that connect meanwhile wait: nobody is refused.
    [[nodiscard]] int hand_over() { return try_hand_over().value(); }
    [[nodiscard]] expected<int> try_hand_over() {
        int descriptor;
        const status code = ringway_listener_hand_over(handle_.get(), &descriptor);
        if (code != RINGWAY_OK) return failure::of(code);
        return descriptor;
    }
    /// Takes clients again after it was handed over: the other process did not come up. `RINGWAY_NOT_FOUND`: the name is gone, or leads elsewhere: destroy this listener, and listen anew.
    void take_back() { detail::must(ringway_listener_take_back(handle_.get())); }
    expected<void> try_take_back() { return detail::tried(ringway_listener_take_back(handle_.get())); }
    [[nodiscard]] ringway_listener *get() const noexcept { return handle_.get(); }

  private:
    detail::owned<ringway_listener, ringway_listener_free> handle_;
};

} // namespace ringway
