// Errors: thrown, or given back.
#pragma once

#include <ringway.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace ringway {

/// Why a call did nothing: a status of the C header.
using status = ringway_status;

/// Why a call failed, with the words of the library: what differs, and what to do about it.
class failure {
  public:
    failure(status code, std::string text) : code_(code), text_(std::move(text)) {}

    /// What the calling thread was told last.
    static failure of(status code) { return {code, ringway_last_error()}; }

    [[nodiscard]] status code() const noexcept { return code_; }
    [[nodiscard]] const std::string &text() const noexcept { return text_; }
    /// There was nothing yet, or no room, or the time was up: the same call may succeed later.
    [[nodiscard]] bool is_not_yet() const noexcept {
        return code_ == RINGWAY_EMPTY || code_ == RINGWAY_FULL || code_ == RINGWAY_TIMED_OUT;
    }

  private:
    status code_;
    std::string text_;
};

/// What throwing calls throw.
class error : public std::runtime_error {
  public:
    explicit error(const failure &why) : std::runtime_error(why.text()), code_(why.code()) {}

    [[nodiscard]] status code() const noexcept { return code_; }

  private:
    status code_;
};

namespace detail {

/// Where a program is compiled without exceptions, what would be thrown is its end: such a program uses the calls with `try_`.
[[noreturn, gnu::cold, gnu::noinline]] inline void raise(const failure &why) {
#if defined(__cpp_exceptions)
    throw error(why);
#else
    std::fprintf(stderr, "ringway: %s\n", why.text().c_str());
    std::abort();
#endif
}

} // namespace detail

/// A value, or why there is none: what calls with `try_` in their names give back.
template <class T> class [[nodiscard]] expected {
  public:
    expected(T value) : value_(std::move(value)) {}
    expected(failure why) : why_(std::move(why)) {}

    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value. Throws `ringway::error` where there is none.
    T &value() & {
        if (!value_) detail::raise(*why_);
        return *value_;
    }
    const T &value() const & {
        if (!value_) detail::raise(*why_);
        return *value_;
    }
    T &&value() && { return std::move(value()); }
    /// The value, or another one where there is none.
    template <class U> [[nodiscard]] T value_or(U &&other) const & { return value_ ? *value_ : static_cast<T>(std::forward<U>(other)); }
    template <class U> [[nodiscard]] T value_or(U &&other) && { return value_ ? std::move(*value_) : static_cast<T>(std::forward<U>(other)); }
    T &operator*() & noexcept { return *value_; }
    const T &operator*() const & noexcept { return *value_; }
    T &&operator*() && noexcept { return std::move(*value_); }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }
    /// Only where there is no value.
    [[nodiscard]] const failure &error() const noexcept { return *why_; }

  private:
    std::optional<T> value_;
    std::optional<failure> why_;
};

template <> class [[nodiscard]] expected<void> {
  public:
    expected() = default;
    expected(failure why) : why_(std::move(why)) {}

    [[nodiscard]] bool has_value() const noexcept { return !why_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    void value() const {
        if (why_) detail::raise(*why_);
    }
    [[nodiscard]] const failure &error() const noexcept { return *why_; }

  private:
    std::optional<failure> why_;
};

namespace detail {

[[noreturn, gnu::cold, gnu::noinline]] inline void raise(status code) { raise(failure::of(code)); }

/// Throws what a call of the C library was refused with.
inline void must(status code) {
    if (code != RINGWAY_OK) [[unlikely]]
        raise(code);
}

/// Gives it back.
inline expected<void> tried(status code) {
    if (code == RINGWAY_OK) [[likely]]
        return {};
    return failure::of(code);
}

} // namespace detail
} // namespace ringway
