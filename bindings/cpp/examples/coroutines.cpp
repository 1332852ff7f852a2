// `co_await` on a receive: two coroutines in one thread hand a number to and fro over a connection, and a loop of poll(2) wakes whichever has a frame.
//
//     coroutines ROUNDS
#include <ringway/ringway.hpp>

#include <coroutine>
#include <exception>
#include <iostream>
#include <list>
#include <thread>
#include <unistd.h>
#include <utility>

#include <poll.h>

/// Wakes coroutines whose receivers have something.
class loop {
  public:
    /// What `co_await` waits with: it does not suspend where a frame is there already.
    struct waiting {
        loop &owner;
        ringway::receiver &half;

        bool await_ready() const { return !half.arm(); }
        void await_suspend(std::coroutine_handle<> handle) { owner.sleepers_.push_back({&half, handle}); }
        /// The frame, or how the connection has ended.
        ringway::frame await_resume() const { return half.next(ringway::for_ever); }
    };

    waiting next(ringway::receiver &half) { return {*this, half}; }

    /// Until nobody waits any more.
    void run() {
        while (!sleepers_.empty()) {
            std::vector<pollfd> entries;
            std::list<sleeper> ready;
            for (auto at = sleepers_.begin(); at != sleepers_.end();) {
                // Armed anew before each poll, which may wake for nothing.
                const auto next = std::next(at);
                if (at->half->arm()) entries.push_back({at->half->descriptor(), POLLIN, 0});
                else ready.splice(ready.end(), sleepers_, at);
                at = next;
            }
            if (ready.empty()) poll(entries.data(), entries.size(), -1);
            for (const auto &sleeper : ready) sleeper.handle.resume();
        }
    }

  private:
    struct sleeper {
        ringway::receiver *half;
        std::coroutine_handle<> handle;
    };
    std::list<sleeper> sleepers_;
};

/// A coroutine that begins at once and is awaited by nobody.
struct task {
    struct promise_type {
        task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

static task answer(loop &loop, std::pair<ringway::sender, ringway::receiver> halves) {
    auto [sender, receiver] = std::move(halves);
    try {
        for (;;) {
            auto frame = co_await loop.next(receiver);
            std::uint64_t number = 0;
            frame.copy_to(std::as_writable_bytes(std::span(&number, 1)));
            sender.send(number + 1);
        }
    } catch (const ringway::error &error) {
        if (error.code() != RINGWAY_CLOSED) std::cerr << error.what() << "\n";
    }
}

static task ask(loop &loop, std::pair<ringway::sender, ringway::receiver> halves, std::uint64_t rounds) {
    auto [sender, receiver] = std::move(halves);
    std::uint64_t number = 0;
    for (std::uint64_t round = 0; round < rounds; round++) {
        sender.send(number);
        auto frame = co_await loop.next(receiver);
        frame.copy_to(std::as_writable_bytes(std::span(&number, 1)));
    }
    std::cout << number << " answers\n";
}

int main(int count, char **words) try {
    const std::uint64_t rounds = count > 1 ? std::stoull(words[1]) : 1000;
    const std::string path = "/tmp/ringway-coroutines-" + std::to_string(getpid());
    ringway::listener listener(path);
    std::optional<ringway::connection> client;
    std::thread connecting([&] { client = ringway::connect(path); });
    auto server = listener.accept();
    connecting.join();

    loop loop;
    answer(loop, std::move(server).split());
    ask(loop, std::move(*client).split(), rounds);
    loop.run();
    return 0;
} catch (const ringway::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
