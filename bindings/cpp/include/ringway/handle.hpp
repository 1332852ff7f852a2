// Handles of the C library, each owned by one object.
#pragma once

#include <ringway.h>

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

/// How long a call waits.
class wait_time {
  public:
    /// Any duration; one that is negative never ends.
    template <class Rep, class Period>
    constexpr wait_time(std::chrono::duration<Rep, Period> time)
        : nanos_(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()) {}

    [[nodiscard]] constexpr std::int64_t nanos() const noexcept { return nanos_; }

  private:
    std::int64_t nanos_;
};

inline constexpr wait_time for_ever{std::chrono::nanoseconds{RINGWAY_FOR_EVER}};
inline constexpr wait_time do_not_wait{std::chrono::nanoseconds{RINGWAY_DO_NOT_WAIT}};

/// The bytes of an object that is nothing but bytes.
template <class T>
    requires std::is_trivially_copyable_v<T>
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
