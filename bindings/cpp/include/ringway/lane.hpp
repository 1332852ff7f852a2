// What one lane carries: a message, or several that are told apart by their kinds.
#pragma once

#include <ringway/layout.hpp>
#include <ringway/schema.hpp>

#include <variant>

namespace ringway {

/// A message of a lane, and the number that its frames have.
template <std::uint16_t Kind, class T> struct kind {
    using type = T;
    static constexpr std::uint16_t number = Kind;
};

/// Several messages, by ascending kinds: `lane<kind<1, Order>, kind<2, Cancel>>`.
template <class... Kinds> struct lane {};

/// A lane without messages.
using nothing = lane<>;

/// A message with a variable part, as it was received: its fixed part, and elements or text.
template <class T> struct received {
    T head{};
    std::conditional_t<std::is_same_v<typename tail_of<T>::element, char>, std::string, std::vector<typename tail_of<T>::element>> tail;
};

namespace detail {

template <class T> struct is_tailed : std::bool_constant<!std::is_void_v<typename tail_of<T>::element>> {};

/// What receiving a message gives.
template <class T, bool = is_tailed<T>::value> struct given {
    using type = T;
};
template <class T> struct given<T, true> {
    using type = received<T>;
};

/// That of one that is not described is told elsewhere, in words.
template <class T> constexpr std::size_t fixed_size() {
    if constexpr (described_struct<T>) return record_size<T>;
    return 0;
}

template <class... T> constexpr bool is_distinct() {
    [[maybe_unused]] constexpr auto times = []<class One>(std::type_identity<One>) { return (std::size_t{std::is_same_v<One, T>} + ... + 0); };
    return ((times(std::type_identity<T>{}) == 1) && ...);
}

template <class L> struct carried : carried<lane<kind<0, L>>> {
    static constexpr bool single = true;
    using value = typename given<L>::type;
};

template <class... K> struct carried<lane<K...>> {
    static constexpr bool single = false;
    static constexpr std::size_t count = sizeof...(K);
    static constexpr std::array<std::uint16_t, count> kinds{K::number...};
    /// Bytes of the fixed parts.
    static constexpr std::array<std::size_t, count> sizes{fixed_size<typename K::type>()...};
    static_assert((described_struct<typename K::type> && ...), "describe this type with RINGWAY_DESCRIBE(type, fields...), outside of any namespace");
    static_assert(is_distinct<typename K::type...>(), "a lane carries each type once: by its type alone a message has its kind. Let one be a struct of its own");
    static_assert(std::is_sorted(kinds.begin(), kinds.end()) && std::adjacent_find(kinds.begin(), kinds.end()) == kinds.end(), "kinds ascend, and each has its own");
    using messages = std::tuple<typename K::type...>;
    using value = std::variant<std::monostate, typename given<typename K::type>::type...>;

    template <class T> static constexpr bool carries = (std::is_same_v<T, typename K::type> || ...);
    /// The kind of a message.
    template <class T> static constexpr std::uint16_t kind_of() {
        std::uint16_t found = 0;
        ((std::is_same_v<T, typename K::type> ? void(found = K::number) : void()), ...);
        return found;
    }
    template <class Sink> static constexpr void put(Sink &sink) {
        put_number(sink, count, 4);
        if constexpr ((described_struct<typename K::type> && ...)) (put_record<typename K::type>(sink, K::number), ...);
    }
};

} // namespace detail

/// The fingerprint of a struct, or of a lane: that of the same in Rust. A constant.
template <class L> constexpr fingerprint fingerprint_of() {
    detail::hasher sink;
    detail::carried<L>::put(sink);
    fingerprint found{};
    for (std::size_t at = 0; at < found.size(); at++) found[at] = static_cast<std::uint8_t>(sink.hash >> 8 * at);
    return found;
}

/// The same as a schema, for peers.
template <class L> schema schema_of() {
    detail::table sink;
    for (const char letter : std::string_view("RWSCHEM\x01", 8)) sink.byte(static_cast<std::uint8_t>(letter));
    detail::carried<L>::put(sink);
    return schema::decode(sink.out);
}

} // namespace ringway
