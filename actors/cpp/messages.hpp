// What the cases `typed`, `variable` and `wrong` carry, and how it is printed: alike in every language.
#pragma once

#include <ringway/ringway.hpp>

#include <iostream>

enum class Side : std::uint8_t { Buy = 1, Sell = 2 };
RINGWAY_ENUM(Side, Buy, Sell)

struct Leg {
    double price;
    std::uint32_t count;
    Side side;
    bool hidden;
    std::array<std::uint8_t, 2> _pad{};
};
RINGWAY_DESCRIBE(Leg, price, count, side, hidden, _pad)

struct Sample {
    std::int64_t wide;
    Leg leg;
    ringway::maybe<std::uint32_t> limit;
    ringway::maybe<std::uint32_t> absent;
    ringway::text<9> name;
    bool yes;
    std::array<std::int16_t, 3> small;
};
RINGWAY_DESCRIBE(Sample, wide, leg, limit, absent, name, yes, small)

struct Order {
    std::uint64_t number;
    Side side;
    std::array<std::uint8_t, 7> _pad{};
};
RINGWAY_DESCRIBE(Order, number, side, _pad)
RINGWAY_TAIL(Order, "legs", Leg)

struct Quote {
    double bid, ask;
};
RINGWAY_DESCRIBE(Quote, bid, ask)

/// What somebody else takes for a quote.
struct Other {
    double bid;
    std::uint64_t size;
};
RINGWAY_DESCRIBE_AS(Other, "Quote", bid, size)

inline std::ostream &operator<<(std::ostream &out, Side side) { return out << (side == Side::Buy ? "Buy" : "Sell"); }
inline std::ostream &operator<<(std::ostream &out, const Leg &leg) {
    return out << leg.price << '/' << leg.count << '/' << leg.side << '/' << leg.hidden;
}
inline std::ostream &operator<<(std::ostream &out, const ringway::maybe<std::uint32_t> &maybe) {
    if (maybe.has_value()) return out << *maybe.get();
    return out << "none";
}
inline std::ostream &operator<<(std::ostream &out, const Sample &sample) {
    return out << sample.wide << ' ' << sample.leg << ' ' << sample.limit << ' ' << sample.absent << ' ' << sample.name.view() << ' ' << sample.yes << ' '
               << sample.small[0] << ',' << sample.small[1] << ',' << sample.small[2];
}
inline std::ostream &operator<<(std::ostream &out, const ringway::received<Order> &order) {
    out << order.head.number << ' ' << order.head.side;
    for (const Leg &leg : order.tail) out << ' ' << leg;
    return out;
}
