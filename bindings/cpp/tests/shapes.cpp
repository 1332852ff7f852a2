// Prints the fingerprints of all shapes, line by line as `ringway-ffi-peer fingerprints` does.
#include "shapes.hpp"

#include <cstdio>
#include <cstdlib>

struct Wrong {
    double bid;
    u64 size;
};
RINGWAY_DESCRIBE(Wrong, bid, size)

enum class Wide : u64 { Zero = 0, Large = 0x8000'0000'0000'0000, Largest = 0xFFFF'FFFF'FFFF'FFFF };
RINGWAY_ENUM(Wide, Zero, Large, Largest)

enum class Tiny : std::int8_t { Up = 1, Down = -1, Flat = 0 };
RINGWAY_ENUM(Tiny, Up, Down, Flat)

struct Inner {
    Wide wide;
    ringway::maybe<array<bool, 3>> perhaps;
    ringway::bytes<2> key;
};
RINGWAY_DESCRIBE(Inner, wide, perhaps, key)

struct Deep {
    ringway::maybe<Inner> inner;
    array<array<ringway::text<2>, 2>, 2> texts;
    ringway::bytes<3> keys[2];
    bool flag;
    u8 _pad[5];
};
RINGWAY_DESCRIBE(Deep, inner, texts, keys, flag, _pad)

struct Keys {
    u8 number;
};
RINGWAY_DESCRIBE(Keys, number)
RINGWAY_TAIL(Keys, "keys", ringway::bytes<2>)

struct Empty {};
RINGWAY_DESCRIBE(Empty)

struct Numbers {
    ringway::uint128 a;
    ringway::int128 b;
    u64 c;
    std::int64_t d;
    u32 e;
    std::int32_t f;
    float g;
    u16 h;
    std::int16_t i;
    u8 j;
    std::int8_t k;
    Tiny l;
    array<u8, 1> _pad;
    ringway::maybe<u16> m;
    array<ringway::maybe<std::int8_t>, 2> n;
    array<u8, 4> _end;
};
RINGWAY_DESCRIBE(Numbers, a, b, c, d, e, f, g, h, i, j, k, l, _pad, m, n, _end)

struct Grown {
    u32 first;
    u32 second;
    u64 third = 7;
    ringway::maybe<double> fourth;
};
template <> struct ringway::description<Grown> {
    static constexpr std::string_view name = "Grown";
    static constexpr auto fields = std::make_tuple(RINGWAY_FIELD(Grown, first).doc("The first."), RINGWAY_FIELD(Grown, second).deprecated("use `third`"),
                                                   RINGWAY_FIELD(Grown, third).since(2), RINGWAY_FIELD(Grown, fourth).since(3));
};

struct Long {
    ringway::text<200> name;
    ringway::bytes<1022> body;
    u32 type;
    u32 rows[2][3];
};
RINGWAY_DESCRIBE(Long, name, body, type, rows)

template <class L> static void line(const char *name) {
    // A constant, and the same as what the library makes of the table.
    static constexpr ringway::fingerprint print = ringway::fingerprint_of<L>();
    if (ringway::schema_of<L>().fingerprint() != print) {
        std::fprintf(stderr, "the table of %s has another fingerprint\n", name);
        std::exit(1);
    }
    std::printf("%s ", name);
    for (const auto byte : print) std::printf("%02x", byte);
    std::printf("\n");
}

int main() {
    line<Quote>("Quote");
    line<wrong::Quote>("Other");
    line<Wrong>("Wrong");
    line<Leg>("Leg");
    line<Cancel>("Cancel");
    line<Everything>("Everything");
    line<Order>("Order");
    line<Note>("Note");
    line<Request>("Request");
    line<Inner>("Inner");
    line<Deep>("Deep");
    line<Keys>("Keys");
    line<Empty>("Empty");
    line<Numbers>("Numbers");
    line<Grown>("Grown");
    line<Long>("Long");
    line<ringway::nothing>("Nothing");
}
