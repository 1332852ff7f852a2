// Options of a listener or a connection.
#pragma once

#include <ringway/error.hpp>
#include <ringway/handle.hpp>
#include <ringway/schema.hpp>

namespace ringway {

/// Options, with a default for each: `config().capacity(1 << 20).wait(RINGWAY_WAIT_PARK)`. Those that have no method of their own are set by `set`.
class config {
  public:
    config() {
        ringway_config *made;
        detail::must(ringway_config_new(&made));
        handle_.reset(made);
    }

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
    config &&handshake_timeout(std::chrono::nanoseconds time) && {
        if (time < time.zero()) throw error({RINGWAY_INVALID_ARGUMENT, "the time for a handshake is negative"});
        return std::move(set(RINGWAY_HANDSHAKE_TIMEOUT, static_cast<std::uint64_t>(time.count())));
    }

    /// What this side sends, and what it expects. Typed connections say it by themselves.
    config &sends(const schema &what) & {
        detail::must(ringway_config_sends(handle_.get(), what.get()));
        return *this;
    }
    config &expects(const schema &what) & {
        detail::must(ringway_config_expects(handle_.get(), what.get()));
        return *this;
    }

    [[nodiscard]] const ringway_config *get() const noexcept { return handle_.get(); }

  private:
    detail::owned<ringway_config, ringway_config_free> handle_;
};

} // namespace ringway
