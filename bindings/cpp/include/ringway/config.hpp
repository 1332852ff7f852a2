// Options of a listener or a connection.
#pragma once

#include <ringway/error.hpp>
#include <ringway/handle.hpp>
#include <ringway/schema.hpp>

namespace ringway {

/// Options, with a default for each: `config().capacity(1 << 20).wait(RINGWAY_WAIT_PARK)`. Those that have no method of their own are set by `set`. One value serves any number of listeners and connections.
class config {
  public:
    config() {
        ringway_config *made;
        detail::must(ringway_config_new(&made));
        handle_.reset(made);
    }
    config(const config &other) {
        ringway_config *made;
        detail::must(ringway_config_copy(other.get(), &made));
        handle_.reset(made);
    }
    config(config &&) noexcept = default;
    config &operator=(config other) noexcept {
        handle_.swap(other.handle_);
        return *this;
    }
    ~config() = default;

    config &set(ringway_option option, std::uint64_t value) & {
        detail::must(ringway_config_set(handle_.get(), option, value));
        return *this;
    }
    config &&set(ringway_option option, std::uint64_t value) && { return std::move(set(option, value)); }

    /// Bytes in the ring that a client sends into.
    config &&capacity(std::size_t bytes) && { return std::move(set(RINGWAY_CAPACITY, bytes)); }
    config &capacity(std::size_t bytes) & { return set(RINGWAY_CAPACITY, bytes); }
    /// Priorities in each direction.
    config &&lanes(unsigned count) && { return std::move(set(RINGWAY_LANES, count)); }
    config &lanes(unsigned count) & { return set(RINGWAY_LANES, count); }
    /// How this side waits.
    config &&wait(ringway_wait how) && { return std::move(set(RINGWAY_WAIT, how)); }
    config &wait(ringway_wait how) & { return set(RINGWAY_WAIT, how); }
    /// How long a handshake may take. It throws where that is negative: a handshake for which there is no limit is none that is wanted.
    config &&handshake_timeout(std::chrono::nanoseconds time) && { return std::move(handshake_timeout(time)); }
    config &handshake_timeout(std::chrono::nanoseconds time) & {
        if (time < time.zero()) detail::raise({RINGWAY_INVALID_ARGUMENT, "the time for a handshake is negative"});
        return set(RINGWAY_HANDSHAKE_TIMEOUT, static_cast<std::uint64_t>(time.count()));
    }

    /// What this side sends, and what it expects. Typed connections say it by themselves.
    config &&sends(const schema &what) && { return std::move(sends(what)); }
    config &sends(const schema &what) & {
        detail::must(ringway_config_sends(handle_.get(), what.get()));
        return *this;
    }
    config &&expects(const schema &what) && { return std::move(expects(what)); }
    config &expects(const schema &what) & {
        detail::must(ringway_config_expects(handle_.get(), what.get()));
        return *this;
    }

    [[nodiscard]] const ringway_config *get() const noexcept { return handle_.get(); }

  private:
    detail::owned<ringway_config, ringway_config_free> handle_;
};

namespace detail {
/// Calls with an address as C has it. One with a zero in it would be cut there, and be another address.
template <class Call> expected<void> at(const std::string &address, Call &&call) {
    if (address.find('\0') != address.npos) return failure{RINGWAY_INVALID_NAME, "the address has a zero in it"};
    return tried(call(address.c_str()));
}

/// A text of which the library tells the length where it does not fit: `tell(buffer, capacity, &length)`.
template <class Tell> std::string text_of(Tell &&tell) {
    std::string text(256, '\0');
    std::size_t length = 0;
    status code;
    while ((code = tell(text.data(), text.size(), &length)) == RINGWAY_TRUNCATED) text.resize(length + 1);
    must(code);
    text.resize(length);
    return text;
}
} // namespace detail

} // namespace ringway
