// Listening sockets that change hands: from a server to its successor, and by systemd's protocol.
#pragma once

#include <ringway/typed.hpp>

#include <vector>

namespace ringway {
namespace detail {
struct adopted {
    template <class S, class R> static typed_listener<S, R> of(listener inner) { return typed_listener<S, R>(std::move(inner)); }
};
} // namespace detail

/// Listens on a socket that listens already: what `listener::hand_over` has given in another process, or a Unix socket of type `SOCK_SEQPACKET` with a path that somebody else has made (else `RINGWAY_DESCRIPTORS`). The descriptor is the listener's from then on, unless this fails.
/// The name is the other process's: destroying the listener leaves it there, and whoever listens under it next takes its place; at once it may still be taken (`RINGWAY_NAME_TAKEN`), since the socket is closed in the background.
[[nodiscard]] inline expected<listener> try_listen_on(int descriptor, const config &options = {}) {
    ringway_listener *made;
    const status code = ringway_listen_on(options.get(), descriptor, &made);
    if (code != RINGWAY_OK) return failure::of(code);
    return listener(made);
}
[[nodiscard]] inline listener listen_on(int descriptor, const config &options = {}) { return std::move(try_listen_on(descriptor, options).value()); }
/// The same for messages.
template <class S, class R> [[nodiscard]] expected<typed_listener<S, R>> try_listen_on(int descriptor, config options = {}) {
    auto made = try_listen_on(descriptor, detail::carrying<S, R>(std::move(options)));
    if (!made) return made.error();
    return detail::adopted::of<S, R>(*std::move(made));
}
template <class S, class R> [[nodiscard]] typed_listener<S, R> listen_on(int descriptor, config options = {}) {
    return std::move(try_listen_on<S, R>(descriptor, std::move(options)).value());
}

/// Listens on each socket that whoever started this process has left open for it: a server in Rust before it (`Listener::pass_to`), or systemd by socket activation (`LISTEN_FDS` and `LISTEN_PID`, a unit with `ListenSequentialPacket=`). `listener::path` tells them apart.
/// None where there are none, so that a server listens under the name that it does not find, and none the second time. To be called early, before anything else is opened: whoever started this process names the descriptors by number.
[[nodiscard]] inline expected<std::vector<listener>> try_inherit(const config &options = {}) {
    ringway_inherited *made;
    const status code = ringway_inherit(options.get(), &made);
    if (code != RINGWAY_OK) return failure::of(code);
    const detail::owned<ringway_inherited, ringway_inherited_free> inherited(made);
    std::vector<listener> found;
    for (ringway_listener *next; ringway_inherited_next(inherited.get(), &next) == RINGWAY_OK;) {
        listener one(next);
        found.push_back(std::move(one));
    }
    return found;
}
[[nodiscard]] inline std::vector<listener> inherit(const config &options = {}) { return std::move(try_inherit(options).value()); }
/// The same for messages.
template <class S, class R> [[nodiscard]] std::vector<typed_listener<S, R>> inherit(config options = {}) {
    std::vector<typed_listener<S, R>> found;
    for (listener &one : inherit(detail::carrying<S, R>(std::move(options)))) found.push_back(detail::adopted::of<S, R>(std::move(one)));
    return found;
}

} // namespace ringway
