// Handles of the C library, each owned by one object.
#pragma once

#include <ringway.h>

#include <ringway/describe.hpp>

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
template <class T>
    requires requires { description<T>::fields; }
struct is_plain<T> : std::true_type {};

/// How long a call waits.
class wait_time {
  public:
    /// Any duration; one that is negative never ends.
    template <class Rep, class Period>
    constexpr wait_time(std::chrono::duration<Rep, Period> time)
        // What is longer than nanoseconds can say never ends.
        : nanos_(std::chrono::duration<double>(time).count() > 9.2e9 ? RINGWAY_FOR_EVER : std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()) {}

    [[nodiscard]] constexpr std::int64_t nanos() const noexcept { return nanos_; }

  private:
    std::int64_t nanos_;
};

inline constexpr wait_time for_ever{std::chrono::nanoseconds{RINGWAY_FOR_EVER}};
inline constexpr wait_time do_not_wait{std::chrono::nanoseconds{RINGWAY_DO_NOT_WAIT}};

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

template <class T, auto Free> using owned = std::unique_ptr<T, free_with<Free>>;

/// Where there is no byte there may be no address, which the C library refuses.
inline const void *address(bytes_view bytes) noexcept { return bytes.data() ? static_cast<const void *>(bytes.data()) : ""; }

} // namespace detail
} // namespace ringway
