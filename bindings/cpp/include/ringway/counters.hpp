// What connections have done, by names.
#pragma once

#include <ringway/config.hpp>

namespace ringway {

/// What connections had done when they were asked.
class counters {
  public:
    /// Takes a handle over.
    explicit counters(ringway_counters *handle) : handle_(handle) {}

    /// Those of this process.
    static counters own() {
        ringway_counters *made;
        detail::must(ringway_counters_own(&made));
        return counters(made);
    }
    [[nodiscard]] std::size_t connections() const {
        std::size_t count;
        detail::must(ringway_counters_connections(handle_.get(), &count));
        return count;
    }
    /// One number of a connection: `sends.frames`, `receives.sleeps`, `peer_pid` and the like, as `ringway_counters_value` lists them.
    [[nodiscard]] std::uint64_t value(std::size_t connection, const char *name) const {
        std::uint64_t value;
        detail::must(ringway_counters_value(handle_.get(), connection, name, &value));
        return value;
    }
    /// The path of its socket.
    [[nodiscard]] std::string name(std::size_t connection) const {
        char name[256];
        std::size_t length;
        detail::must(ringway_counters_name(handle_.get(), connection, name, sizeof name, &length));
        return {name, length};
    }

  private:
    detail::owned<ringway_counters, ringway_counters_free> handle_;
};

/// A listener that is observed: its counters and schemas, and not a byte of what its connections carry.
class observed {
  public:
    explicit observed(const std::string &address, const config &options = {}) {
        ringway_observed *made;
        detail::at(address, [&](const char *place) { return ringway_observe(options.get(), place, &made); }).value();
        handle_.reset(made);
    }
    /// Whose listener it is.
    [[nodiscard]] ringway_peer peer() const {
        ringway_peer peer;
        detail::must(ringway_observed_peer(handle_.get(), &peer));
        return peer;
    }
    [[nodiscard]] ringway::counters counters() const {
        ringway_counters *made;
        detail::must(ringway_observed_counters(handle_.get(), &made));
        return ringway::counters(made);
    }
    [[nodiscard]] std::optional<schema> sends() const { return told(ringway_observed_sends); }
    [[nodiscard]] std::optional<schema> expects() const { return told(ringway_observed_expects); }

  private:
    template <class F> std::optional<schema> told(F ask) const {
        ringway_schema *found;
        const status code = ask(handle_.get(), &found);
        if (code == RINGWAY_NO_SUCH_FIELD) return {};
        detail::must(code);
        return schema(found);
    }

    detail::owned<ringway_observed, ringway_observed_free> handle_;
};

} // namespace ringway
