// The cases that `ringway chaos` torments: frames both ways without end, until the other side is killed.
//
// What both sides count is in a file of each, written around every call: it outlives whoever is killed.
#pragma once

#include <ringway/ringway.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <unistd.h>

namespace chaos {

using bytes = std::vector<std::byte>;

inline constexpr auto LONG = std::chrono::seconds(30);

/// How many frames a burst has.
inline std::uint64_t burst(std::uint64_t number) { return 1 + number * 7 % 24; }

/// A frame: its number, and bytes of all values.
inline bytes frame(std::uint64_t number) {
    const std::size_t length = number % 50 == 49 ? 5008 : 8 + number * 37 % 300;
    bytes made(length);
    for (std::size_t at = 0; at < length; at++) made[at] = static_cast<std::byte>((at * 7 + length) % 251);
    for (std::size_t at = 0; at < 8; at++) made[at] = static_cast<std::byte>(number >> 8 * at);
    return made;
}

/// Frames that were about to be sent, that were sent, and that were taken.
class counts {
  public:
    explicit counts(const std::string &path) : file_(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600)) {
        for (int line = 0; line < 3; line++) tell(line, 0);
    }
    void will_send(std::uint64_t count) { tell(0, tried += count); }
    void has_sent(std::uint64_t count) { tell(1, sent += count); }
    /// A frame that is the next one, whole.
    void takes(const bytes &found) {
        if (found != frame(taken)) {
            std::uint64_t number = 0;
            for (std::size_t at = 0; at < 8 && at < found.size(); at++) number |= std::to_integer<std::uint64_t>(found[at]) << 8 * at;
            std::cout << "a frame of " << found.size() << " bytes, number " << number << ", where number " << taken << " was due\n";
            throw std::runtime_error("a frame is lost, twice there, or broken");
        }
        tell(2, ++taken);
    }

    std::uint64_t tried = 0, sent = 0, taken = 0;

  private:
    void tell(int line, std::uint64_t number) {
        char text[22];
        std::snprintf(text, sizeof text, "%020llu\n", static_cast<unsigned long long>(number));
        if (pwrite(file_, text, 21, line * 21) != 21) throw std::runtime_error("counts cannot be written");
    }

    int file_;
};

/// A burst: one by one, in place, or together.
inline ringway::expected<void> send(ringway::sender &sender, std::uint64_t number, counts &counts) {
    std::vector<bytes> frames;
    for (std::uint64_t at = 0; at < burst(number); at++) frames.push_back(frame(counts.tried + at));
    if (number % 3 == 2) {
        counts.will_send(frames.size());
        auto group = sender.group();
        for (const auto &each : frames) {
            if (auto sent = sender.try_send(each, LONG); !sent) return sent;
        }
        group.publish();
        counts.has_sent(frames.size());
        return {};
    }
    for (const auto &each : frames) {
        counts.will_send(1);
        if (number % 3 == 0) {
            if (auto sent = sender.try_send(each, LONG); !sent) return sent;
        } else {
            auto room = sender.try_reserve(each.size(), LONG);
            if (!room) return room.error();
            std::ranges::copy(each, room.value().bytes().begin());
            room.value().commit();
        }
        counts.has_sent(1);
    }
    return {};
}

/// What the receiving half is told at the end.
inline ringway::status exchange(ringway::sender &sender, ringway::receiver &receiver, counts &counts) {
    for (std::uint64_t number = 0;; number++) {
        auto until = counts.taken + burst(number);
        if (!send(sender, number, counts)) until = std::numeric_limits<std::uint64_t>::max();
        while (counts.taken < until) {
            auto next = receiver.try_next(LONG);
            if (!next) return next.error().code();
            counts.takes(next.value().to_vector());
        }
    }
}

inline std::ptrdiff_t descriptors() {
    const auto all = std::filesystem::directory_iterator("/proc/self/fd");
    return std::distance(begin(all), end(all));
}

inline int mappings() {
    std::ifstream maps("/proc/self/maps");
    int count = 0;
    for (std::string line; std::getline(maps, line);) count += line.find("memfd:ringway") != std::string::npos;
    return count;
}

/// A labelled step of ours.
inline void step(std::string_view label) {
    const char *line = std::getenv("RINGWAY_CHAOS");
    if (!line) return;
    char answer;
    const int descriptor = std::atoi(line);
    if (write(descriptor, label.data(), label.size()) < 0 || read(descriptor, &answer, 1) < 0) throw std::runtime_error("nobody answers at a step");
}

} // namespace chaos
