// A client of `quotes_server`.
//
//     quotes_client NAME QUOTES
#include "quotes.hpp"

#include <iostream>
#include <thread>

using namespace std::chrono_literals;

int main(int count, char **words) try {
    if (count != 3) {
        std::cerr << "usage: quotes_client NAME QUOTES\n";
        return 2;
    }
    const auto quotes = std::stoul(words[2]);
    auto made = ringway::try_connect<requests, quote>(words[1]);
    // The server may be starting.
    for (int tries = 0; !made && made.error().code() == RINGWAY_NOT_FOUND && tries < 1000; tries++) {
        std::this_thread::sleep_for(10ms);
        made = ringway::try_connect<requests, quote>(words[1]);
    }
    auto [sender, receiver] = std::move(made.value()).split();
    for (std::uint32_t number = 0; number < quotes; number++) {
        sender.send(ask_quote{"EURUSD", number});
        const quote answer = receiver.recv(10s);
        if (answer.number != number || answer.symbol != std::string_view("EURUSD") || answer.last.get() != answer.bid + 0.25 || answer.where != venue::south) {
            std::cerr << "a wrong answer\n";
            return 1;
        }
    }
    sender.send(goodbye{quotes});
    std::cout << quotes << " quotes\n";
    return 0;
} catch (const ringway::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
