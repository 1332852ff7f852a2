// The messages of `tests/typed/kinds.rs` and `ffi/peer/src/shapes.rs`, in C++.
#pragma once

#include <ringway/ringway.hpp>

template <class T, std::size_t N> using array = std::array<T, N>;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

enum class Side : u8 { Buy = 1, Sell = 2 };
RINGWAY_ENUM(Side, Buy, Sell)

enum class Level : std::int32_t { Low = -70'000, Middle = 0, High };
RINGWAY_ENUM(Level, Low, Middle, High)

struct Leg {
    double price;
    u32 count;
    Side side;
    bool hidden;
    array<u8, 2> _pad;
};
RINGWAY_DESCRIBE(Leg, price, count, side, hidden, _pad)

struct Everything {
    ringway::uint128 huge;
    std::int64_t wide;
    double real;
    array<Leg, 2> legs;
    ringway::maybe<double> limit;
    float short_;
    Level level;
    ringway::maybe<Level> maybe_level;
    array<std::int16_t, 3> small;
    bool yes;
    ringway::text<9> name;
    ringway::bytes<6> key;
    array<bool, 2> flags;
    ringway::maybe<ringway::text<3>> maybe_name;
    array<u8, 2> last;
};
// `short` is a keyword here: a description by hand gives it its name.
template <> struct ringway::description<Everything> {
    static constexpr std::string_view name = "Everything";
    static constexpr auto fields = std::make_tuple(
        RINGWAY_FIELD(Everything, huge), RINGWAY_FIELD(Everything, wide), RINGWAY_FIELD(Everything, real),
        RINGWAY_FIELD(Everything, legs).doc("What is asked for."), RINGWAY_FIELD(Everything, limit),
        ringway::member<float>{"short", offsetof(Everything, short_)}, RINGWAY_FIELD(Everything, level),
        RINGWAY_FIELD(Everything, maybe_level), RINGWAY_FIELD(Everything, small), RINGWAY_FIELD(Everything, yes),
        RINGWAY_FIELD(Everything, name), RINGWAY_FIELD(Everything, key), RINGWAY_FIELD(Everything, flags),
        RINGWAY_FIELD(Everything, maybe_name), RINGWAY_FIELD(Everything, last));
};

struct Order {
    u64 number;
    Side side;
    array<u8, 7> _pad;
};
RINGWAY_DESCRIBE(Order, number, side, _pad)
RINGWAY_TAIL(Order, "legs", Leg)

struct Note {
    u64 number;
};
RINGWAY_DESCRIBE(Note, number)
RINGWAY_TEXT_TAIL(Note, "text")

struct Cancel {
    u64 number;
};
RINGWAY_DESCRIBE(Cancel, number)

using Request = ringway::lane<ringway::kind<2, Cancel>, ringway::kind<5, Note>, ringway::kind<7, Everything>, ringway::kind<9, Order>>;

struct Quote {
    double bid, ask;
};
RINGWAY_DESCRIBE(Quote, bid, ask)

namespace wrong {
struct Quote {
    double bid;
    u64 size;
};
} // namespace wrong
RINGWAY_DESCRIBE_AS(wrong::Quote, "Quote", bid, size)
