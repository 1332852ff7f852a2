// Handles of the C library, each owned by one object.
#pragma once

#include <ringway.h>

#include <ringway/layout.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ringway {

/// Bytes that are sent.
using bytes_view = std::span<const std::byte>;
/// Room for bytes that are received.
using bytes_room = std::span<std::byte>;

/// Whether an object may be sent as the bytes that it is: no address, which means nothing elsewhere, and no padding, which may hold anything. Numbers, enumerations and arrays of them are so, and described structs; specialise it for others.
template <class T> struct is_plain : std::bool_constant<std::is_arithmetic_v<T> || std::is_enum_v<T>> {};
template <> struct is_plain<long double> : std::false_type {};
template <class T, std::size_t N> struct is_plain<T[N]> : is_plain<T> {};
template <class T, std::size_t N> struct is_plain<std::array<T, N>> : is_plain<T> {};
template <detail::described_struct T> struct is_plain<T> : std::bool_constant<detail::is_message<T>() && !std::is_empty_v<T>> {};

/// How long a call waits: a duration, the time until a moment, `for_ever` or `do_not_wait`.
class wait_time {
  public:
    /// Any duration. One that is zero or negative, as that to a deadline that has passed, does not wait.
    template <class Rep, class Period>
    constexpr wait_time(std::chrono::duration<Rep, Period> time) : nanos_(of(time)) {}
    /// Until a moment of any clock, looked at now. One that has passed does not wait.
    template <class Clock, class Duration>
    wait_time(std::chrono::time_point<Clock, Duration> until) : nanos_(left(until.time_since_epoch(), Clock::now().time_since_epoch())) {}

    /// That which `for_ever` is.
    [[nodiscard]] static constexpr wait_time without_end() noexcept { return wait_time(endless{}); }
    [[nodiscard]] constexpr std::int64_t nanos() const noexcept { return nanos_; }

  private:
    struct endless {};
    constexpr explicit wait_time(endless) noexcept : nanos_(RINGWAY_FOR_EVER) {}

    /// Seconds beyond which nanoseconds cannot count: 291 years.
    static constexpr double most = 9.2e9;
    template <class Time> static constexpr double seconds(Time time) { return std::chrono::duration<double>(time).count(); }

    template <class Time> static constexpr std::int64_t of(Time time) {
        if (seconds(time) > most) return RINGWAY_FOR_EVER;
        // Asked so, what is not a number does not wait either.
        return time > Time::zero() ? std::chrono::duration_cast<std::chrono::nanoseconds>(time).count() : RINGWAY_DO_NOT_WAIT;
    }
    template <class Time, class Now> static constexpr std::int64_t left(Time until, Now now) {
        // The difference of what lies far from each other is not taken: it may be beyond what there can be.
        if (seconds(until) > most) return RINGWAY_FOR_EVER;
        return seconds(until) < seconds(now) - 1 ? RINGWAY_DO_NOT_WAIT : of(until - now);
    }

    std::int64_t nanos_;
};

/// Until it happens. No duration but one of more than 291 years waits so.
inline constexpr wait_time for_ever = wait_time::without_end();
inline constexpr wait_time do_not_wait{std::chrono::nanoseconds{RINGWAY_DO_NOT_WAIT}};

/// Whether any bytes are a value: what may be received over an object without a look at them. Numbers and arrays of them are so; no truth value, no enumeration, no struct, unless it is specialised for one of which it is true.
template <class T> struct is_any_bytes : std::bool_constant<(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || std::is_same_v<T, std::byte>> {};
template <> struct is_any_bytes<long double> : std::false_type {};
template <class T, std::size_t N> struct is_any_bytes<T[N]> : is_any_bytes<T> {};
template <class T, std::size_t N> struct is_any_bytes<std::array<T, N>> : is_any_bytes<T> {};

/// The bytes of an object that is nothing but bytes.
template <class T>
    requires(std::is_trivially_copyable_v<T> && is_plain<T>::value)
bytes_view bytes_of(const T &value) noexcept {
    return std::as_bytes(std::span<const T, 1>(&value, 1));
}

namespace detail {

template <auto Free> struct free_with {
    template <class T> void operator()(T *handle) const noexcept { Free(handle); }
};

/// Takes the handles out of their objects (`resume.hpp`).
struct handles;

template <class T, auto Free> using owned = std::unique_ptr<T, free_with<Free>>;

} // namespace detail
} // namespace ringway
