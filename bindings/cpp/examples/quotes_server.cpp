// A service in C++: gives quotes to one client, with typed messages that a Rust program could send as well.
//
//     quotes_server NAME
#include "quotes.hpp"

#include <iostream>

int main(int count, char **words) try {
    if (count != 2) {
        std::cerr << "usage: quotes_server NAME\n";
        return 2;
    }
    ringway::typed_listener<quote, requests> listener(words[1]);
    auto [sender, receiver] = listener.accept().split();
    for (;;) {
        const auto request = receiver.recv();
        if (const auto *asked = std::get_if<ask_quote>(&request)) {
            const double price = asked->number * 0.5;
            sender.send(quote{price, price + 1, price + 0.25, asked->symbol, asked->number, venue::south, {}});
        } else {
            std::cout << std::get<goodbye>(request).quotes << " quotes given\n";
            return 0;
        }
    }
} catch (const ringway::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
