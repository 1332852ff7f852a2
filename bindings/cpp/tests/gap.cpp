// A struct with a gap, which must not compile: the compiler's padding would be in no table.
#include <ringway/ringway.hpp>

struct gap {
    std::uint8_t first;
    std::uint32_t second;
};
RINGWAY_DESCRIBE(gap, first, second)

int main() { return ringway::fingerprint_of<gap>()[0]; }
