// Values that a field of a message can have besides numbers, in the layout that all languages share.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iosfwd>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace ringway {

// No type of C++20, of which `-Wpedantic` warns: named here, and nowhere else.
__extension__ typedef unsigned __int128 uint128;
__extension__ typedef __int128 int128;

namespace detail {

/// Where a program is compiled without exceptions, what would be thrown is its end.
[[noreturn, gnu::cold, gnu::noinline]] inline void too_long(const char *why) {
#if defined(__cpp_exceptions)
    throw std::length_error(why);
#else
    std::fprintf(stderr, "ringway: %s\n", why);
    std::abort();
#endif
}

} // namespace detail

/// UTF-8 of at most `N` bytes, filled up with zeros.
template <std::size_t N> struct text {
    std::array<char, N> letters{};

    constexpr text() = default;
    /// Throws where it is too long, or has a zero in it.
    constexpr text(std::string_view from) {
        if (from.size() > N || from.find('\0') != from.npos)
            detail::too_long("the text is too long for its place, or has a zero in it");
        for (std::size_t at = 0; at < from.size(); at++) letters[at] = from[at];
    }
    constexpr text(const char *from) : text(std::string_view(from)) {}
    text(const std::string &from) : text(std::string_view(from)) {}

    [[nodiscard]] constexpr std::string_view view() const noexcept {
        std::size_t length = 0;
        while (length < N && letters[length] != 0) length++;
        return {letters.data(), length};
    }
    constexpr operator std::string_view() const noexcept { return view(); }
};

namespace detail {
template <class T> constexpr bool is_text = false;
template <std::size_t N> constexpr bool is_text<text<N>> = true;
} // namespace detail

template <std::size_t N, std::size_t M> constexpr bool operator==(const text<N> &a, const text<M> &b) noexcept { return a.view() == b.view(); }
/// With literals, strings and views.
template <std::size_t N, class T>
    requires(!detail::is_text<T> && std::is_convertible_v<const T &, std::string_view>)
constexpr bool operator==(const text<N> &a, const T &b) {
    return a.view() == std::string_view(b);
}
template <class Traits, std::size_t N> std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out, const text<N> &words) {
    return out << words.view();
}

/// At most `N` bytes: their number, then room for all of them.
template <std::size_t N> struct bytes {
    static_assert(N <= 0xFFFF, "bytes are counted with two bytes");
    std::array<std::uint8_t, 2> count{};
    std::array<std::byte, N> room{};

    constexpr bytes() = default;
    bytes(std::span<const std::byte> from) {
        if (from.size() > N) detail::too_long("more bytes than there is room for");
        count = {static_cast<std::uint8_t>(from.size()), static_cast<std::uint8_t>(from.size() >> 8)};
        if (!from.empty()) std::memcpy(room.data(), from.data(), from.size());
    }
    [[nodiscard]] constexpr std::size_t size() const noexcept {
        const std::size_t size = count[0] | static_cast<std::size_t>(count[1]) << 8;
        return size < N ? size : N;
    }
    [[nodiscard]] constexpr std::span<const std::byte> view() const noexcept { return {room.data(), size()}; }
    friend constexpr bool operator==(const bytes &a, const bytes &b) noexcept { return a == b.view(); }
    friend constexpr bool operator==(const bytes &a, std::span<const std::byte> b) noexcept {
        if (a.size() != b.size()) return false;
        for (std::size_t at = 0; at < b.size(); at++)
            if (a.room[at] != b[at]) return false;
        return true;
    }
};

namespace detail {
template <std::size_t Bytes> struct flag;
template <> struct flag<1> { using type = std::uint8_t; };
template <> struct flag<2> { using type = std::uint16_t; };
template <> struct flag<4> { using type = std::uint32_t; };
template <> struct flag<8> { using type = std::uint64_t; };
template <> struct flag<16> { using type = uint128; };
} // namespace detail

/// A value, or its absence; an `std::optional` whose bytes are fixed. Of an older sender, who does not know the field, it is absent.
template <class T> struct maybe {
    T held{};
    /// As wide as the alignment of the value.
    typename detail::flag<alignof(T)>::type present{};

    constexpr maybe() = default;
    constexpr maybe(const T &value) : held(value), present(1) {}
    constexpr maybe(std::nullopt_t) {}

    [[nodiscard]] constexpr bool has_value() const noexcept { return present == 1; }
    [[nodiscard]] constexpr std::optional<T> get() const { return has_value() ? std::optional<T>(held) : std::nullopt; }
    /// Two that are absent are equal, whatever lies in their bytes.
    friend constexpr bool operator==(const maybe &a, const maybe &b)
        requires requires { a.held == b.held; }
    {
        return a.has_value() == b.has_value() && (!a.has_value() || a.held == b.held);
    }
};

} // namespace ringway
