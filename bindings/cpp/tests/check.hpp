// What the tests in C++ share.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

#define CHECK(...)                                                                                                      \
    do {                                                                                                                \
        if (!(__VA_ARGS__)) {                                                                                           \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__);                              \
            std::exit(1);                                                                                               \
        }                                                                                                               \
    } while (false)

/// Whether `call` throws with this status.
#define THROWS(status, ...)                                                                                             \
    do {                                                                                                                \
        bool thrown = false;                                                                                            \
        try {                                                                                                           \
            (void)(__VA_ARGS__);                                                                                        \
        } catch (const ringway::error &error) {                                                                         \
            thrown = error.code() == (status);                                                                          \
        }                                                                                                               \
        CHECK(thrown);                                                                                                  \
    } while (false)

/// A path for a socket that nobody else has.
inline std::string new_path() {
    static int number;
    const char *folder = std::getenv("TMPDIR");
    return std::string(folder ? folder : "/tmp") + "/ringway-cpp-" + std::to_string(getpid()) + "-" + std::to_string(number++);
}
