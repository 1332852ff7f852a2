// Without exceptions, by the calls with `try_`; the largest struct that the macro describes; and what plain values can be compared with.
#include "check.hpp"

#include <ringway/ringway.hpp>

#include <sys/wait.h>
#include <thread>

using namespace std::chrono_literals;

struct many {
    std::uint8_t f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19;
    std::uint8_t f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37, f38, f39;
    std::uint8_t f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57, f58, f59;
    std::uint8_t f60, f61, f62, f63, f64, f65, f66, f67, f68, f69, f70, f71, f72, f73, f74, f75, f76, f77, f78, f79;
    std::uint8_t f80, f81, f82, f83, f84, f85, f86, f87, f88, f89, f90, f91, f92, f93, f94, f95, f96, f97, f98, f99;
    std::uint8_t f100, f101, f102, f103, f104, f105, f106, f107, f108, f109, f110, f111, f112, f113, f114, f115, f116, f117, f118, f119;
    std::uint8_t f120, f121;
};
RINGWAY_DESCRIBE(many, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
                 f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
                 f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
                 f56, f57, f58, f59, f60, f61, f62, f63, f64, f65, f66, f67, f68, f69, f70, f71, f72, f73,
                 f74, f75, f76, f77, f78, f79, f80, f81, f82, f83, f84, f85, f86, f87, f88, f89, f90, f91,
                 f92, f93, f94, f95, f96, f97, f98, f99, f100, f101, f102, f103, f104, f105, f106, f107, f108,
                 f109, f110, f111, f112, f113, f114, f115, f116, f117, f118, f119, f120, f121)
static_assert(ringway::fingerprint_of<many>() != ringway::fingerprint{} && std::tuple_size_v<decltype(ringway::description<many>::fields)> == 122);

// A namespace is no part of a name: Rust has none there.
namespace inner {
struct thing {
    std::uint8_t first;
};
enum class color : std::uint8_t { red, green };
} // namespace inner
RINGWAY_DESCRIBE(inner::thing, first)
RINGWAY_ENUM(inner::color, red, green)
static_assert(ringway::description<inner::thing>::name == "thing" && ringway::description<inner::color>::name == "color");

static void values() {
    ringway::text<8> currency = "EUR", other;
    CHECK(currency == "EUR" && "EUR" == currency && currency != "USD" && currency == std::string("EUR") && currency == std::string_view("EUR"));
    other = std::string("EUR");
    CHECK(currency == other && currency == ringway::text<3>("EUR") && currency != ringway::text<3>("EU"));
    ringway::maybe<double> fee = 0.5, none;
    CHECK(fee == 0.5 && fee == ringway::maybe<double>(0.5) && fee != none && none == std::nullopt);
    none.held = 7;
    CHECK(none == ringway::maybe<double>());
    const std::array<std::byte, 2> raw{std::byte{1}, std::byte{2}};
    const ringway::bytes<6> key{raw}, shorter{std::span<const std::byte>{raw}.first(1)};
    CHECK(key == raw && key == ringway::bytes<6>(raw) && key != shorter);
}

/// What would be thrown ends the program, with its words.
static void ends() {
    const pid_t child = fork();
    if (child == 0) {
        if (!std::freopen("/dev/null", "w", stderr)) std::exit(0);
        (void)ringway::connect("/tmp/ringway-nobody-listens-here");
        std::exit(0);
    }
    int how = 0;
    CHECK(waitpid(child, &how, 0) == child && WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

int main() {
    values();
    ends();
    const std::string path = new_path();
    ringway::listener listener(path, ringway::config().handshake_timeout(60s));
    std::optional<ringway::connection> client;
    std::thread other([&] { client.emplace(*ringway::try_connect(path, ringway::config().handshake_timeout(60s))); });
    auto server = listener.try_accept(60s);
    other.join();
    CHECK(server);
    auto [sender, receiver] = std::move(*server).split();
    auto halves = std::move(*client).split();
    CHECK(sender.try_send(ringway::bytes_view{}));
    std::array<std::byte, 8> room;
    const auto got = halves.second.try_recv(room, 60s);
    CHECK(got && got->empty() && (*got).empty() && got.value().empty());
    const auto nothing = halves.second.try_recv(room);
    CHECK(!nothing && nothing.value_or(ringway::bytes_room(room)).size() == 8);
    std::puts("without: ok");
}
