// Descriptions: what turns a plain struct into a message that every language reads.
//
//     struct Quote { double bid, ask; };
//     RINGWAY_DESCRIBE(Quote, bid, ask)
//
// outside of any namespace. The names, places and types of the fields make the fingerprint, which is that of the same struct in Rust. Padding has to be a field too, as `_pad`; a gap does not compile.
#pragma once

#include <ringway/values.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>

namespace ringway {

/// What is said of a type: specialised by the macros below. `name` is the type's; `fields` are a struct's, `values` an enumeration's.
template <class T> struct description;

/// What is behind the fixed part of a message: specialised by `RINGWAY_TAIL` and `RINGWAY_TEXT_TAIL`.
template <class T> struct tail_of {
    using element = void;
};

/// One field of a struct.
template <class M> struct member {
    using type = M;
    std::string_view name;
    std::size_t offset;
    std::string_view doc_{};
    std::string_view deprecated_{};
    std::uint16_t since_ = 1;

    /// What it means, for people.
    [[nodiscard]] constexpr member doc(std::string_view words) const {
        member changed = *this;
        changed.doc_ = words;
        return changed;
    }
    /// The version of the message that added it. Of an older sender it has the value of a struct that was made with `{}`.
    [[nodiscard]] constexpr member since(std::uint16_t version) const {
        member changed = *this;
        changed.since_ = version;
        return changed;
    }
    /// Why it should no longer be used.
    [[nodiscard]] constexpr member deprecated(std::string_view words) const {
        member changed = *this;
        changed.deprecated_ = words;
        return changed;
    }
};

/// One value of an enumeration.
template <class E> struct named_value {
    std::string_view name;
    E value;
};

namespace detail {
template <class T>
concept described_struct = std::is_class_v<T> && requires { description<T>::fields; };
template <class T>
concept described_enum = std::is_enum_v<T> && requires { description<T>::values; };

/// A type's name as other languages have it: without the namespaces before it.
constexpr std::string_view unqualified(std::string_view written) {
    const std::size_t colons = written.substr(0, written.find('<')).rfind("::");
    if (colons != written.npos) written.remove_prefix(colons + 2);
    while (!written.empty() && written.front() == ' ') written.remove_prefix(1);
    return written;
}
} // namespace detail

} // namespace ringway

// NOLINTBEGIN(cppcoreguidelines-macro-usage): the names of fields are to be had in no other way.
#define RINGWAY_PARENS ()
#define RINGWAY_EXPAND(...) RINGWAY_EXPAND4(RINGWAY_EXPAND4(RINGWAY_EXPAND4(__VA_ARGS__)))
#define RINGWAY_EXPAND4(...) RINGWAY_EXPAND3(RINGWAY_EXPAND3(RINGWAY_EXPAND3(__VA_ARGS__)))
#define RINGWAY_EXPAND3(...) RINGWAY_EXPAND2(RINGWAY_EXPAND2(RINGWAY_EXPAND2(__VA_ARGS__)))
#define RINGWAY_EXPAND2(...) RINGWAY_EXPAND1(RINGWAY_EXPAND1(RINGWAY_EXPAND1(__VA_ARGS__)))
#define RINGWAY_EXPAND1(...) __VA_ARGS__
#define RINGWAY_EACH(do, T, ...) __VA_OPT__(RINGWAY_EXPAND(RINGWAY_EACH_(do, T, __VA_ARGS__)))
#define RINGWAY_EACH_(do, T, first, ...) do(T, first) __VA_OPT__(, RINGWAY_TOO_MANY_FIELDS_DESCRIBE_BY_HAND RINGWAY_PARENS(do, T, __VA_ARGS__))
#define RINGWAY_TOO_MANY_FIELDS_DESCRIBE_BY_HAND() RINGWAY_EACH_

/// A field in `fields` of a description that is written by hand, which may be told more of: `RINGWAY_FIELD(Quote, venue).since(2).doc("where")`.
#define RINGWAY_FIELD(T, field) ::ringway::member<decltype(T::field)>{#field, offsetof(T, field)}
#define RINGWAY_VALUE(T, value) ::ringway::named_value<T>{#value, T::value}

/// Describes a struct under the name that it has here, without its namespace. Of at most 122 fields; one of more is described by hand (`RINGWAY_FIELD`).
#define RINGWAY_DESCRIBE(T, ...) RINGWAY_DESCRIBE_AS(T, ::ringway::detail::unqualified(#T) __VA_OPT__(, ) __VA_ARGS__)
/// Describes a struct under another name.
#define RINGWAY_DESCRIBE_AS(T, called, ...)                                                                             \
    template <> struct ringway::description<T> {                                                                        \
        static constexpr std::string_view name = called;                                                                \
        static constexpr auto fields = std::make_tuple(RINGWAY_EACH(RINGWAY_FIELD, T __VA_OPT__(, ) __VA_ARGS__));      \
    };

/// Describes an enumeration with its values, of which there are at most 122.
#define RINGWAY_ENUM(T, ...) RINGWAY_ENUM_AS(T, ::ringway::detail::unqualified(#T), __VA_ARGS__)
#define RINGWAY_ENUM_AS(T, called, ...)                                                                                 \
    template <> struct ringway::description<T> {                                                                        \
        static constexpr std::string_view name = called;                                                                \
        static constexpr ringway::named_value<T> values[] = {RINGWAY_EACH(RINGWAY_VALUE, T, __VA_ARGS__)};              \
    };

/// Says that a message ends in elements of a type, as many as there are.
#define RINGWAY_TAIL(T, called, E)                                                                                      \
    template <> struct ringway::tail_of<T> {                                                                            \
        using element = E;                                                                                              \
        static constexpr std::string_view name = called;                                                                \
    };
/// Says that a message ends in text.
#define RINGWAY_TEXT_TAIL(T, called) RINGWAY_TAIL(T, called, char)
// NOLINTEND(cppcoreguidelines-macro-usage)
