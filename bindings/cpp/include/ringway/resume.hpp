// Outliving a server.
#pragma once

#include <ringway/typed.hpp>

#include <chrono>
#include <optional>

namespace ringway {

/// A connection that was resumed: what the last server had not finished with is on its way to the next one.
template <class C = connection> struct resumed {
    C connection;
    /// Frames that were sent again, and that no server has seen: that is proven.
    std::uint64_t unseen;
    /// Those that one may have seen.
    std::uint64_t in_doubt;
    /// What the last server said of them breaks a rule: all that it did not deny is in doubt then.
    bool broken;
};

namespace detail {
struct handles {
    /// Calls with an address, and halves that the call may take. Whatever it does not take is where it was.
    template <class Call> static expected<void> lend(const std::string &address, sender &sends, receiver &receives, Call call) {
        return at(address, [&](const char *place) {
            ringway_sender *ours = sends.handle_.release();
            ringway_receiver *theirs = receives.handle_.release();
            const status code = call(place, &ours, &theirs);
            sends.handle_.reset(ours);
            receives.handle_.reset(theirs);
            return code;
        });
    }
};

inline resumed<> made(ringway_connection *next, const ringway_resumed &told) { return {connection(next), told.unseen, told.in_doubt, told.broken}; }

template <class S, class R> resumed<typed_connection<S, R>> typed(resumed<> made) {
    return {typed_connection<S, R>(std::move(made.connection)), made.unseen, made.in_doubt, made.broken};
}
} // namespace detail

/// Connects anew, in the place of a connection whose server is gone, and sends the next one what that had not finished with. Both sides set `RINGWAY_RESUMABLE`, and `receives` has said how the connection ended (`RINGWAY_CLOSED`, `RINGWAY_PEER_CLOSED`, `RINGWAY_PEER_DIED`). It waits for the next server as long as it is told.
///
/// On success the halves are empty, and the new connection is in the result: priority, held frames, interrupters and descriptors are set or asked for again. Otherwise they are as they were: nothing is lost, and it may be tried again.
/// `wait` is for the next server. The first attempt that finds one there has 100 ms in any case (or the time for a handshake, if that is less).
[[nodiscard]] inline expected<resumed<>> try_resume(const std::string &address, sender &sends, receiver &receives, const config &options, wait_time wait) {
    ringway_connection *next;
    ringway_resumed told;
    const auto done = detail::handles::lend(address, sends, receives, [&](auto place, auto ours, auto theirs) {
        return ringway_resume(options.get(), place, ours, theirs, wait.nanos(), &next, &told);
    });
    if (!done) return done.error();
    return detail::made(next, told);
}
[[nodiscard]] inline resumed<> resume(const std::string &address, sender &sends, receiver &receives, const config &options, wait_time wait = for_ever) {
    return std::move(try_resume(address, sends, receives, options, wait).value());
}

/// The same of a connection that carries messages. A next server that understands something else is refused, and the halves are as they were.
template <class S, class R>
[[nodiscard]] expected<resumed<typed_connection<S, R>>> try_resume(const std::string &address, typed_sender<S> &sends, typed_receiver<R> &receives, config options, wait_time wait) {
    auto made = try_resume(address, sends.untyped(), receives.untyped(), detail::carrying<S, R>(std::move(options)), wait);
    if (!made) return made.error();
    return detail::typed<S, R>(*std::move(made));
}
template <class S, class R>
[[nodiscard]] resumed<typed_connection<S, R>> resume(const std::string &address, typed_sender<S> &sends, typed_receiver<R> &receives, config options, wait_time wait = for_ever) {
    return std::move(try_resume(address, sends, receives, std::move(options), wait).value());
}

/// A connection that is being resumed step by step, for loops of one's own. Destroying it gives up the resuming, and the connection too, unless that was taken back.
class redial {
  public:
    /// Takes a handle over.
    explicit redial(ringway_redial *handle) : handle_(handle) {}
    /// Takes the halves; where it throws, they are as they were. Nothing happens before the first step.
    redial(const std::string &address, sender &sends, receiver &receives, const config &options, wait_time wait = for_ever);
    /// Of a connection that carries messages: to be stepped by `step<S, R>()`.
    template <class S, class R>
    redial(const std::string &address, typed_sender<S> &sends, typed_receiver<R> &receives, config options, wait_time wait = for_ever)
        : redial(address, sends.untyped(), receives.untyped(), detail::carrying<S, R>(std::move(options)), wait) {}

    /// Goes as far as it can now. Nothing in the result: not yet, and `awaits()` tells what for. An error is the last answer: the connection, which may live, is there to be taken back.
    [[nodiscard]] expected<std::optional<resumed<>>> step() {
        ringway_connection *next;
        ringway_resumed told;
        const status code = ringway_redial_step(handle_.get(), &next, &told);
        if (code == RINGWAY_EMPTY) return std::optional<resumed<>>();
        if (code != RINGWAY_OK) return failure::of(code);
        return std::optional(detail::made(next, told));
    }
    /// The same, of a connection that carries messages.
    template <class S, class R> [[nodiscard]] expected<std::optional<resumed<typed_connection<S, R>>>> step() {
        using made = std::optional<resumed<typed_connection<S, R>>>;
        auto stepped = step();
        if (!stepped) return stepped.error();
        if (!*stepped) return made();
        return made(detail::typed<S, R>(**std::move(stepped)));
    }

    /// What to wait for before the next step: that the descriptor is readable, and no longer than `most`. -1: there is none, and the time has to pass, which `poll` takes so. An `epoll` does not know it any more behind a step, whatever its number: add it before each wait.
    struct awaited {
        int descriptor;
        std::chrono::nanoseconds most;
    };
    [[nodiscard]] awaited awaits() const {
        int descriptor;
        std::int64_t nanos;
        detail::must(ringway_redial_awaits(handle_.get(), &descriptor, &nanos));
        return {descriptor, std::chrono::nanoseconds(nanos)};
    }

    /// Gives it up, and puts the halves of the connection back, as they were.
    void take_back(sender &sends, receiver &receives) {
        ringway_sender *ours;
        ringway_receiver *theirs;
        detail::must(ringway_redial_take_back(handle_.get(), &ours, &theirs));
        sends = sender(ours);
        receives = receiver(theirs);
    }
    template <class S, class R> void take_back(typed_sender<S> &sends, typed_receiver<R> &receives) { take_back(sends.untyped(), receives.untyped()); }
    [[nodiscard]] ringway_redial *get() const noexcept { return handle_.get(); }

  private:
    detail::owned<ringway_redial, ringway_redial_free> handle_;
};

/// As the constructors of `redial`, and throws nothing. `wait` is for the next server, and not for this call.
[[nodiscard]] inline expected<redial> try_redial(const std::string &address, sender &sends, receiver &receives, const config &options, wait_time wait) {
    ringway_redial *made;
    const auto done = detail::handles::lend(address, sends, receives, [&](auto place, auto ours, auto theirs) {
        return ringway_redial_new(options.get(), place, ours, theirs, wait.nanos(), &made);
    });
    if (!done) return done.error();
    return redial(made);
}
template <class S, class R>
[[nodiscard]] expected<redial> try_redial(const std::string &address, typed_sender<S> &sends, typed_receiver<R> &receives, config options, wait_time wait) {
    return try_redial(address, sends.untyped(), receives.untyped(), detail::carrying<S, R>(std::move(options)), wait);
}

inline redial::redial(const std::string &address, sender &sends, receiver &receives, const config &options, wait_time wait)
    : redial(std::move(try_redial(address, sends, receives, options, wait).value())) {}

} // namespace ringway
