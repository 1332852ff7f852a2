// From descriptions to tables and fingerprints (docs/PROTOCOL.md), and what is checked of bytes that came from a peer.
#pragma once

#include <ringway/describe.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringway::detail {

/// FNV-1a of 128 bits over what fixes the meaning of the bytes.
struct hasher {
    static constexpr bool whole = false;
    uint128 hash = static_cast<uint128>(0x6c62272e07bb0142) << 64 | 0x62b821756295c58d;

    constexpr void byte(std::uint8_t byte) {
        constexpr uint128 prime = static_cast<uint128>(0x1000000) << 64 | 0x13b;
        hash = (hash ^ byte) * prime;
    }
};

/// The bytes of a table.
struct table {
    static constexpr bool whole = true;
    std::vector<std::byte> out;

    void byte(std::uint8_t byte) { out.push_back(static_cast<std::byte>(byte)); }
};

template <class Sink> constexpr void put_number(Sink &sink, std::uint64_t number, int bytes) {
    for (int at = 0; at < bytes; at++) sink.byte(static_cast<std::uint8_t>(number >> 8 * at));
}
template <class Sink> constexpr void put_text(Sink &sink, std::string_view text) {
    put_number(sink, text.size(), 4);
    for (const char letter : text) sink.byte(static_cast<std::uint8_t>(letter));
}

/// What the bytes of a type are. `align`: what its place in a message is a multiple of. `checked`: not every value of the bytes is one of the type.
template <class T> struct layout {
    static_assert(sizeof(T) == 0, "this type cannot be a field of a message: fields are integers (not char), float, double, bool, arrays, ringway::text, ringway::bytes, "
                                  "ringway::maybe, and described structs and enumerations");
};

template <class T> constexpr bool is_number = (std::is_integral_v<T> || std::is_same_v<T, int128> || std::is_same_v<T, uint128>)
    && !std::is_same_v<T, bool> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t> && !std::is_same_v<T, char8_t>
    && !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>;

template <class T>
    requires is_number<T>
struct layout<T> {
    static constexpr std::size_t align = alignof(T);
    static constexpr bool checked = false;
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(static_cast<T>(-1) < static_cast<T>(0) ? 2 : 1);
        sink.byte(sizeof(T));
    }
};
template <> struct layout<std::byte> : layout<std::uint8_t> {};

template <class T>
    requires std::is_floating_point_v<T>
struct layout<T> {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a number of IEEE 754 has 4 or 8 bytes here");
    static constexpr std::size_t align = alignof(T);
    static constexpr bool checked = false;
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(3);
        sink.byte(sizeof(T));
    }
};

template <> struct layout<bool> {
    static constexpr std::size_t align = 1;
    static constexpr bool checked = true;
    template <class Sink> static constexpr void put(Sink &sink) { sink.byte(4); }
    static bool check(const std::byte *at, std::string &) { return *at == std::byte{0} || *at == std::byte{1}; }
};

template <described_enum T> struct layout<T> {
    using integer = std::underlying_type_t<T>;
    static constexpr std::size_t align = alignof(T);
    static constexpr bool checked = true;
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(5);
        put_text(sink, description<T>::name);
        sink.byte(sizeof(T));
        sink.byte(std::is_signed_v<integer>);
        auto values = std::to_array(description<T>::values);
        std::sort(values.begin(), values.end(),
                  [](const auto &a, const auto &b) { return static_cast<integer>(a.value) < static_cast<integer>(b.value); });
        put_number(sink, values.size(), 4);
        for (const auto &value : values) {
            put_text(sink, value.name);
            put_number(sink, static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<integer>(value.value))), 8);
        }
    }
    static bool check(const std::byte *at, std::string &) {
        integer found;
        std::memcpy(&found, at, sizeof found);
        return std::any_of(std::begin(description<T>::values), std::end(description<T>::values),
                           [&](const auto &known) { return static_cast<integer>(known.value) == found; });
    }
};

template <class T, std::size_t N> struct array_layout {
    static constexpr std::size_t align = layout<T>::align;
    static constexpr bool checked = layout<T>::checked;
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(6);
        put_number(sink, N, 4);
        layout<T>::put(sink);
    }
    static bool check(const std::byte *at, std::string &path) {
        for (std::size_t index = 0; index < N; index++)
            if (!layout<T>::check(at + index * sizeof(T), path)) {
                path = "[" + std::to_string(index) + "]" + (path.empty() || path[0] == '[' ? "" : ".") + path;
                return false;
            }
        return true;
    }
};
template <class T, std::size_t N> struct layout<std::array<T, N>> : array_layout<T, N> {};
template <class T, std::size_t N> struct layout<T[N]> : array_layout<T, N> {};

/// Whether bytes are UTF-8.
inline bool is_utf8(const std::byte *at, std::size_t length) {
    const auto *bytes = reinterpret_cast<const unsigned char *>(at);
    for (std::size_t i = 0; i < length;) {
        const unsigned char lead = bytes[i];
        const std::size_t more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2 : lead >= 0xF0 && lead < 0xF5 ? 3 : 4;
        if (more == 4 || more >= length - i) return false;
        for (std::size_t k = 1; k <= more; k++)
            if ((bytes[i + k] & 0xC0) != 0x80) return false;
        if ((lead == 0xE0 && bytes[i + 1] < 0xA0) || (lead == 0xED && bytes[i + 1] > 0x9F) || (lead == 0xF0 && bytes[i + 1] < 0x90) ||
            (lead == 0xF4 && bytes[i + 1] > 0x8F))
            return false;
        i += more + 1;
    }
    return true;
}

template <std::size_t N> struct layout<text<N>> {
    static constexpr std::size_t align = 1;
    static constexpr bool checked = true;
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(8);
        put_number(sink, N, 4);
    }
    static bool check(const std::byte *at, std::string &) {
        std::size_t length = 0;
        while (length < N && at[length] != std::byte{0}) length++;
        return is_utf8(at, length) && std::all_of(at + length, at + N, [](std::byte byte) { return byte == std::byte{0}; });
    }
};

template <std::size_t N> struct layout<bytes<N>> {
    static constexpr std::size_t align = 1;
    static constexpr bool checked = true;
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(9);
        put_number(sink, N, 4);
    }
    static bool check(const std::byte *at, std::string &) { return (std::to_integer<std::size_t>(at[0]) | std::to_integer<std::size_t>(at[1]) << 8) <= N; }
};

template <class T> struct layout<maybe<T>> {
    static constexpr std::size_t align = layout<T>::align;
    static constexpr bool checked = true;
    static_assert(sizeof(maybe<T>) == sizeof(T) + align, "a value that may be absent has its flag right behind it");
    template <class Sink> static constexpr void put(Sink &sink) {
        sink.byte(10);
        layout<T>::put(sink);
    }
    static bool check(const std::byte *at, std::string &path) {
        const std::byte *flag = at + sizeof(T);
        const bool zeros = std::all_of(flag + 1, flag + align, [](std::byte byte) { return byte == std::byte{0}; });
        if (!zeros || (*flag != std::byte{0} && *flag != std::byte{1})) return false;
        // Looked at even if it is absent: everybody does so, and all give one verdict.
        if constexpr (layout<T>::checked) return layout<T>::check(at, path);
        return true;
    }
};

/// One field, apart from the others: to look into a tuple of many takes a compiler so long that fingerprints of large structs took many seconds.
template <class T, std::size_t At> inline constexpr auto field_at = std::get<At>(description<T>::fields);

/// The fields of a struct, one behind the other.
template <class T, class F> constexpr void each_field(F &&visit) {
    [&]<std::size_t... At>(std::index_sequence<At...>) { (visit(field_at<T, At>), ...); }(std::make_index_sequence<std::tuple_size_v<std::decay_t<decltype(description<T>::fields)>>>{});
}

template <described_struct T> constexpr std::size_t record_align() {
    std::size_t align = alignof(T);
    each_field<T>([&](const auto &field) { align = std::max(align, layout<typename std::decay_t<decltype(field)>::type>::align); });
    return align;
}

/// Whether fields follow each other without gaps, each at a multiple of its alignment, from the beginning to the end.
template <described_struct T> constexpr bool is_gapless() {
    std::size_t end = 0;
    bool good = true;
    each_field<T>([&](const auto &field) {
        using type = typename std::decay_t<decltype(field)>::type;
        good = good && field.offset == end && field.offset % layout<type>::align == 0;
        end = field.offset + sizeof(type);
    });
    return good && (end == sizeof(T) || (end == 0 && std::is_empty_v<T>)) && end % record_align<T>() == 0;
}

template <described_struct T> constexpr std::size_t record_size = std::is_empty_v<T> ? 0 : sizeof(T);

template <described_struct T, class Sink> constexpr void put_record(Sink &sink, std::uint16_t kind) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>, "a message is a plain struct");
    static_assert(is_gapless<T>(), "the compiler leaves bytes free between the fields of this struct, or a field was left out of its description, or is out of its order: "
                                   "put a field `std::array<std::uint8_t, N> _pad` there");
    static_assert(record_align<T>() <= 16, "this struct needs an alignment above 16, which frames that are copied do not have");
    put_number(sink, kind, 2);
    put_text(sink, description<T>::name);
    if constexpr (Sink::whole) put_text(sink, "");
    put_number(sink, record_size<T>, 4);
    put_number(sink, record_align<T>(), 4);
    put_number(sink, std::tuple_size_v<std::decay_t<decltype(description<T>::fields)>>, 4);
    each_field<T>([&](const auto &field) {
        using type = typename std::decay_t<decltype(field)>::type;
        put_text(sink, field.name);
        if constexpr (Sink::whole) put_text(sink, field.doc_);
        layout<type>::put(sink);
        put_number(sink, field.offset, 4);
        put_number(sink, sizeof(type), 4);
        put_number(sink, layout<type>::align, 4);
        if constexpr (Sink::whole) {
            put_number(sink, field.since_, 2);
            put_text(sink, field.deprecated_);
            if (field.since_ > 1) {
                const T unknown{};
                put_text(sink, {reinterpret_cast<const char *>(&unknown) + field.offset, sizeof(type)});
            } else {
                put_text(sink, "");
            }
        }
    });
    using element = typename tail_of<T>::element;
    if constexpr (std::is_void_v<element>) {
        sink.byte(0);
    } else {
        sink.byte(std::is_same_v<element, char> ? 1 : 2);
        put_text(sink, tail_of<T>::name);
        if constexpr (Sink::whole) put_text(sink, "");
        if constexpr (!std::is_same_v<element, char>) {
            layout<element>::put(sink);
            put_number(sink, sizeof(element), 4);
        }
    }
}

/// Says where it is compiled why a struct is none, as one with a gap.
template <described_struct T> constexpr bool is_message() {
    hasher sink;
    put_record<T>(sink, 0);
    return true;
}

/// What is checked of the fixed fields.
template <described_struct T> struct head_layout {
    static constexpr std::size_t align = record_align<T>();
    static constexpr bool checked = [] {
        bool any = false;
        each_field<T>([&](const auto &field) { any = any || layout<typename std::decay_t<decltype(field)>::type>::checked; });
        return any;
    }();
    static bool check(const std::byte *at, std::string &path) {
        bool good = true;
        each_field<T>([&](const auto &field) {
            using type = typename std::decay_t<decltype(field)>::type;
            if constexpr (layout<type>::checked) {
                if (good && !layout<type>::check(at + field.offset, path)) {
                    path = std::string(field.name) + (path.empty() || path[0] == '[' ? "" : ".") + path;
                    good = false;
                }
            }
        });
        return good;
    }
};

template <described_struct T> struct layout<T> : head_layout<T> {
    template <class Sink> static constexpr void put(Sink &sink) {
        static_assert(std::is_void_v<typename tail_of<T>::element>, "only a message has a variable part, not what is in one");
        sink.byte(7);
        put_record<T>(sink, 0);
    }
};

/// A type of which not every byte pattern is a value, and the bytes can be checked.
template <class T> constexpr bool is_checkable = std::is_same_v<T, bool> || described_enum<T> || described_struct<T>;
template <class T, std::size_t N> constexpr bool is_checkable<T[N]> = is_checkable<T>;
template <class T, std::size_t N> constexpr bool is_checkable<std::array<T, N>> = is_checkable<T>;

inline std::string no_value(const std::string &path) {
    return path.empty() ? "its bytes are no value of its type" : "field `" + path + "`: its bytes are no value of its type";
}

} // namespace ringway::detail
