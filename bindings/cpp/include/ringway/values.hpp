// Values that a field of a message can have besides numbers, in the layout that all languages share.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>

namespace ringway {

/// UTF-8 of at most `N` bytes, filled up with zeros.
template <std::size_t N> struct text {
    std::array<char, N> letters{};

    constexpr text() = default;
    /// Throws where it is too long, or has a zero in it.
    constexpr text(std::string_view from) {
        if (from.size() > N || from.find('\0') != from.npos)
            throw std::length_error("the text is too long for its place, or has a zero in it");
        for (std::size_t at = 0; at < from.size(); at++) letters[at] = from[at];
    }
    constexpr text(const char *from) : text(std::string_view(from)) {}

    [[nodiscard]] constexpr std::string_view view() const noexcept {
        std::size_t length = 0;
        while (length < N && letters[length] != 0) length++;
        return {letters.data(), length};
    }
    constexpr operator std::string_view() const noexcept { return view(); }
    friend constexpr bool operator==(const text &a, const text &b) noexcept { return a.view() == b.view(); }
    friend constexpr bool operator==(const text &a, std::string_view b) noexcept { return a.view() == b; }
};

/// At most `N` bytes: their number, then room for all of them.
template <std::size_t N> struct bytes {
    static_assert(N <= 0xFFFF, "bytes are counted with two bytes");
    std::array<std::uint8_t, 2> count{};
    std::array<std::byte, N> room{};

    constexpr bytes() = default;
    bytes(std::span<const std::byte> from) {
        if (from.size() > N) throw std::length_error("more bytes than there is room for");
        count = {static_cast<std::uint8_t>(from.size()), static_cast<std::uint8_t>(from.size() >> 8)};
        if (!from.empty()) std::memcpy(room.data(), from.data(), from.size());
    }
    [[nodiscard]] constexpr std::size_t size() const noexcept {
        const std::size_t size = count[0] | static_cast<std::size_t>(count[1]) << 8;
        return size < N ? size : N;
    }
    [[nodiscard]] constexpr std::span<const std::byte> view() const noexcept { return {room.data(), size()}; }
};

namespace detail {
template <std::size_t Bytes> struct flag;
template <> struct flag<1> { using type = std::uint8_t; };
template <> struct flag<2> { using type = std::uint16_t; };
template <> struct flag<4> { using type = std::uint32_t; };
template <> struct flag<8> { using type = std::uint64_t; };
template <> struct flag<16> { using type = unsigned __int128; };
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
};

} // namespace ringway
