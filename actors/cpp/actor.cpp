// One side of a case of `actors/cases.txt`: `actor SERVE|CONNECT CASE ADDRESS`. What it receives it prints, and sends back where the case has it so.
#include "chaos.hpp"
#include "messages.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;

/// Longer than a machine takes that has other things to do.
static constexpr auto LONG = 30s;

static ringway::config patient() { return ringway::config().handshake_timeout(LONG); }

/// As `ringway.h` writes it.
static std::string name_of(ringway::status status) {
    switch (status) {
    case RINGWAY_OK: return "()";
    case RINGWAY_TIMED_OUT: return "RINGWAY_TIMED_OUT";
    case RINGWAY_CLOSED: return "RINGWAY_CLOSED";
    case RINGWAY_PEER_CLOSED: return "RINGWAY_PEER_CLOSED";
    case RINGWAY_PEER_DIED: return "RINGWAY_PEER_DIED";
    case RINGWAY_PROTOCOL: return "RINGWAY_PROTOCOL";
    case RINGWAY_SCHEMA: return "RINGWAY_SCHEMA";
    default: return ringway_status_text(status);
    }
}

template <class T> static std::string told(const ringway::expected<T> &outcome) {
    return name_of(outcome.has_value() ? RINGWAY_OK : outcome.error().code());
}

/// Connects to somebody who may be about to listen.
template <class F> static auto reach(F connect) {
    for (int tries = 0;; tries++) {
        auto made = connect();
        if (made || made.error().code() != RINGWAY_NOT_FOUND || tries == 6000) return made;
        std::this_thread::sleep_for(5ms);
    }
}

struct ends {
    ringway::sender sender;
    ringway::receiver receiver;
};

static ends meet(bool serves, const std::string &address, const ringway::config &config) {
    auto halves = [&] {
        if (serves) return ringway::listener(address, config).accept(LONG).split();
        return std::move(reach([&] { return ringway::try_connect(address, config); }).value()).split();
    }();
    return {std::move(halves.first), std::move(halves.second)};
}

/// The client closes first, and the server is told of that in order.
template <class R> static void goodbye(bool serves, R &receiver) {
    if (!serves) return;
    if constexpr (requires { receiver.try_next(LONG); }) std::cout << told(receiver.try_next(LONG)) << "\n";
    else std::cout << told(receiver.try_recv(LONG)) << "\n";
}

static ringway::bytes_view view(std::string_view text) { return std::as_bytes(std::span(text)); }
static std::string text(const ringway::frame &frame) {
    const auto copy = frame.to_vector();
    return {reinterpret_cast<const char *>(copy.data()), copy.size()};
}

static std::vector<std::byte> payload(std::size_t length) {
    std::vector<std::byte> made(length);
    for (std::size_t at = 0; at < length; at++) made[at] = static_cast<std::byte>((at * 7 + length) % 251);
    return made;
}

static std::uint32_t hash(std::uint32_t seed, ringway::bytes_view payload) {
    for (const std::byte byte : payload) seed = seed * 31 + static_cast<std::uint8_t>(byte);
    return seed;
}

static void bytes(bool serves, ends &ends) {
    std::vector<std::byte> room(1 << 17);
    for (const std::size_t length : {0, 1, 64, 1000, 100'000}) {
        if (!serves) ends.sender.send(payload(length));
        const auto found = ends.receiver.recv(room, LONG);
        std::cout << found.size() << ' ' << hash(0, found) << "\n";
        if (serves) ends.sender.send(found);
    }
}

static void kinds(bool serves, ends &ends) {
    const std::pair<std::uint16_t, std::string_view> all[] = {{0, "zero"}, {1, "one"}, {513, "many"}, {65535, "last"}};
    for (const auto &[kind, word] : all) {
        if (!serves) ends.sender.send_kind(kind, view(word));
        const auto frame = ends.receiver.next(LONG);
        std::cout << frame.kind() << ' ' << text(frame) << "\n";
        if (serves) ends.sender.send_kind(frame.kind(), frame.to_vector());
    }
}

static void batches(bool serves, ends &ends) {
    std::vector<std::vector<std::byte>> all;
    const auto send = [&] {
        auto group = ends.sender.group();
        for (const auto &payload : all) ends.sender.send(payload);
        group.publish();
    };
    for (std::size_t length = 0; length < 100; length++) all.push_back(payload(length));
    if (!serves) send();
    all.clear();
    std::uint32_t seed = 0;
    while (all.size() < 100) {
        all.push_back(ends.receiver.next(LONG).to_vector());
        seed = hash(seed, all.back());
    }
    std::cout << all.size() << ' ' << seed << "\n";
    if (serves) send();
}

static void connected(std::vector<Sample> all, auto &connection) {
    for (const Sample &sample : all) {
        connection.sender.send(sample);
        std::cout << connection.receiver.recv(LONG) << "\n";
    }
}

static void connected(std::vector<std::pair<Order, std::vector<Leg>>> all, auto &connection) {
    for (const auto &[head, legs] : all) {
        connection.sender.send(head, legs);
        std::cout << connection.receiver.recv(LONG) << "\n";
    }
}

/// Both ways the same message.
template <class M> static void typed(bool serves, const std::string &address, auto all) {
    if (!serves) {
        auto connection = std::move(reach([&] { return ringway::try_connect<M, M>(address, patient()); }).value());
        return connected(all, connection);
    }
    auto connection = ringway::typed_listener<M, M>(address, patient()).accept(LONG);
    for (std::size_t count = 0; count < all.size(); count++) {
        const auto found = connection.receiver.recv(LONG);
        std::cout << found << "\n";
        if constexpr (requires { found.tail; }) connection.sender.send(found.head, found.tail);
        else connection.sender.send(found);
    }
    goodbye(serves, connection.receiver);
}

/// A file says that everything is sent: only then the server begins to receive.
static void sent(bool serves, const std::string &address) {
    const std::filesystem::path path = address + ".sent";
    if (!serves) std::ofstream{path};
    for (int tries = 0; !std::filesystem::exists(path) && tries < 15'000; tries++) std::this_thread::sleep_for(2ms);
}

static void done(bool serves, ends &ends) {
    if (serves) ends.sender.send(view("done"));
    else std::cout << text(ends.receiver.next(LONG)) << "\n";
    goodbye(serves, ends.receiver);
}

static void priorities(bool serves, const std::string &address) {
    auto ends = meet(serves, address, patient().lanes(2));
    if (!serves) {
        ends.sender.priority(1);
        ends.sender.send(view("later"));
        ends.sender.priority(0);
        ends.sender.send(view("now"));
    }
    sent(serves, address);
    for (int at = 0; serves && at < 2; at++) {
        const auto frame = ends.receiver.next(LONG);
        std::cout << frame.priority() << ' ' << text(frame) << "\n";
    }
    done(serves, ends);
}

static void expiring(bool serves, const std::string &address) {
    auto ends = meet(serves, address, patient().set(RINGWAY_DROP_EXPIRED, serves));
    if (!serves) {
        auto sent = ends.sender.try_send_expiring(view("short"), 200ms);
        // Once more where this process had no processor until it was over before it was sent.
        while (!sent && sent.error().code() == RINGWAY_EXPIRED) sent = ends.sender.try_send_expiring(view("short"), 200ms);
        sent.value();
        ends.sender.try_send_expiring(view("long"), LONG).value();
        std::this_thread::sleep_for(300ms);
    }
    sent(serves, address);
    if (serves) std::cout << text(ends.receiver.next(LONG)) << "\n";
    done(serves, ends);
}

/// One side ends by a signal that nothing can be done about; the other says what it was told, by each half.
static void death(bool dies, ends ends) {
    ends.sender.send(view("here"));
    std::cout << text(ends.receiver.next(LONG)) << std::endl;
    if (dies) kill(getpid(), SIGKILL);
    std::cout << told(ends.receiver.try_next(LONG)) << "\n";
    std::cout << told(ends.sender.check()) << "\n";
}

/// The two mean different things by the name of one message.
static void wrong(bool serves, const std::string &address) {
    if (!serves) {
        const auto made = reach([&] { return ringway::try_connect<Other, Other>(address, patient()); });
        if (made) throw std::runtime_error("it was taken");
        std::cout << name_of(made.error().code()) << "\n" << made.error().text() << "\n";
        return;
    }
    ringway::typed_listener<Quote, Quote> listener(address, patient());
    std::uint64_t refusals = 0;
    std::size_t length = 0;
    std::string words(65'536, '\0');
    for (int tries = 0; refusals == 0 && tries < 15'000; tries++) {
        if (listener.try_accept(2ms)) throw std::runtime_error("it was taken");
        ringway::detail::must(ringway_listener_refusals(listener.untyped().get(), &refusals, words.data(), words.size(), &length));
    }
    words.resize(length);
    std::cout << words << "\n";
}

/// Frames both ways, until the other side is killed.
static void endless(bool serves, const std::string &address) {
    chaos::counts counts(address + (serves ? ".serve.counts" : ".connect.counts"));
    // What a process keeps to its end is made for its first connection.
    meet(serves, address + ".first", patient());
    const auto descriptors = chaos::descriptors();
    const auto mappings = chaos::mappings();
    {
        auto ends = meet(serves, address, patient());
        chaos::step("met");
        std::cout << name_of(chaos::exchange(ends.sender, ends.receiver, counts)) << "\n";
        std::cout << told(ends.sender.check()) << "\n";
    }
    std::cout << chaos::descriptors() - descriptors << " descriptors and " << chaos::mappings() - mappings << " mappings\n";
}

/// The other side keeps no rule: what one half is told, and its words.
static void lied_to(bool serves, const std::string &address, bool sends) try {
    auto ends = meet(serves, address, patient());
    sent(true, address);
    if (!sends) (void)ends.receiver.next(LONG);
    // As many as fill the ring a few times.
    for (int at = 0; sends && at < 10'000; at++) ends.sender.send(payload(1000), LONG);
    std::cout << "()\n";
} catch (const ringway::error &error) {
    std::cout << name_of(error.code()) << "\n" << error.what() << "\n";
}

static void run(bool serves, const std::string &wanted, const std::string &address) {
    if (wanted == "typed")
        return typed<Sample>(serves, address, std::vector{Sample{-5'000'000'000, {1.5, 7, Side::Sell, true}, 7u, {}, "Größe", true, {1, -2, 300}}});
    if (wanted == "variable") {
        const std::vector legs{Leg{1.5, 2, Side::Buy, true}, Leg{2.5, 3, Side::Sell, false}};
        return typed<Order>(serves, address, std::vector{std::pair{Order{9, Side::Buy}, legs}, {Order{10, Side::Sell}, {}}});
    }
    if (wanted == "priorities") return priorities(serves, address);
    if (wanted == "expiring") return expiring(serves, address);
    if (wanted == "client-dies") return death(!serves, meet(serves, address, patient()));
    if (wanted == "server-dies") return death(serves, meet(serves, address, patient()));
    if (wanted.ends_with("-killed")) return endless(serves, address);
    if (wanted.starts_with("lie-")) return lied_to(serves, address, wanted == "lie-released");
    if (wanted == "wrong") return wrong(serves, address);
    auto *simple = wanted == "bytes" ? bytes : wanted == "kinds" ? kinds : wanted == "batches" ? batches : nullptr;
    if (!simple) throw std::runtime_error("there is no case `" + wanted + "`");
    auto ends = meet(serves, address, patient());
    simple(serves, ends);
    goodbye(serves, ends.receiver);
}

int main(int count, char **words) try {
    const std::string role = count == 4 ? words[1] : "";
    if (role != "SERVE" && role != "CONNECT") throw std::runtime_error("usage: actor SERVE|CONNECT CASE ADDRESS");
    std::cout << std::boolalpha;
    run(role == "SERVE", words[2], words[3]);
} catch (const std::exception &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
