// What the two sides of the service say to each other.
#pragma once

#include <ringway/ringway.hpp>

enum class venue : std::uint8_t { north = 0, south = 1 };
RINGWAY_ENUM(venue, north, south)

struct ask_quote {
    ringway::text<12> symbol;
    std::uint32_t number;
};
RINGWAY_DESCRIBE(ask_quote, symbol, number)

struct quote {
    double bid, ask;
    ringway::maybe<double> last;
    ringway::text<12> symbol;
    std::uint32_t number;
    venue where;
    std::array<std::uint8_t, 7> _pad;
};
RINGWAY_DESCRIBE(quote, bid, ask, last, symbol, number, where, _pad)

struct goodbye {
    std::uint64_t quotes;
};
RINGWAY_DESCRIBE(goodbye, quotes)

using requests = ringway::lane<ringway::kind<1, ask_quote>, ringway::kind<2, goodbye>>;
