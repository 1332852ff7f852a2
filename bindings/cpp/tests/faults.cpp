// What must not compile, and says why: a struct with a gap (the compiler's padding would be in no table, and reach the peer as bytes), one that nobody has described, and a lane with a type twice.
#include <ringway/ringway.hpp>

struct gap {
    std::uint8_t first;
    std::uint32_t second;
};
RINGWAY_DESCRIBE(gap, first, second)

struct hole {
    double first;
    std::uint32_t second;
};
RINGWAY_DESCRIBE(hole, first, second)

struct unknown {
    std::uint8_t first;
};

struct known {
    std::uint8_t first;
};
RINGWAY_DESCRIBE(known, first)
using twice = ringway::lane<ringway::kind<1, known>, ringway::kind<2, known>>;

void leak(ringway::sender &sender) { sender.send(hole{1, 2}); }

int main() { return ringway::fingerprint_of<gap>()[0] + ringway::fingerprint_of<unknown>()[0] + ringway::fingerprint_of<twice>()[0]; }
