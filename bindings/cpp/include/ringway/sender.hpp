// The half of a connection that sends.
#pragma once

#include <ringway/error.hpp>
#include <ringway/handle.hpp>
#include <ringway/interrupter.hpp>

#include <algorithm>
#include <cstring>

namespace ringway {

class sender;

/// Space in the ring for one frame, which is filled in place. Nothing is sent unless it is committed. It must not outlive its sender.
class reservation {
  public:
    reservation(reservation &&other) noexcept
        : sender_(std::exchange(other.sender_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
    reservation &operator=(reservation &&) = delete;
    ~reservation() {
        if (sender_) (void)ringway_sender_abort(sender_);
    }

    /// What an earlier frame left there, to be written over.
    [[nodiscard]] bytes_room bytes() const noexcept { return bytes_; }

    /// Sends the first `length` bytes.
    void commit(std::size_t length, std::uint16_t kind = 0) {
        detail::must(ringway_sender_commit(sender_, length, kind));
        sender_ = nullptr;
    }
    /// Sends all of it.
    void commit() { commit(bytes_.size()); }

  private:
    friend class sender;
    reservation(ringway_sender *sender, bytes_room bytes) : sender_(sender), bytes_(bytes) {}

    ringway_sender *sender_;
    bytes_room bytes_;
};

/// Frames that become visible together, when it is published or destroyed. It must not outlive its sender.
class group {
  public:
    group(group &&other) noexcept : sender_(std::exchange(other.sender_, nullptr)) {}
    group &operator=(group &&) = delete;
    ~group() {
        if (!sender_ || ringway_sender_publish(sender_) != RINGWAY_OUT_OF_TURN) return;
        // A reservation that outlives the group it is in is given up: the group would stay open, and nothing that is sent later be seen.
        (void)ringway_sender_abort(sender_);
        (void)ringway_sender_publish(sender_);
    }
    void publish() {
        detail::must(ringway_sender_publish(sender_));
        sender_ = nullptr;
    }

  private:
    friend class sender;
    explicit group(ringway_sender *sender) : sender_(sender) {}

    ringway_sender *sender_;
};

/// The half that sends. One thread at a time uses it; the half that receives may be used by another meanwhile. Destroying it says goodbye to the peer.
class sender {
  public:
    /// Takes a handle over.
    explicit sender(ringway_sender *handle) : handle_(handle) {}

    /// Sends a copy, waiting for room.
    void send(bytes_view bytes, wait_time wait = for_ever) {
        detail::must(ringway_send(handle_.get(), bytes.data(), bytes.size(), wait.nanos()));
    }
    /// The same of an object that is nothing but bytes: `ringway::is_plain`.
    template <class T>
        requires(std::is_trivially_copyable_v<T> && is_plain<T>::value)
    [[gnu::always_inline]] void send(const T &value, wait_time wait = for_ever) {
        detail::must(ringway_send(handle_.get(), &value, sizeof value, wait.nanos()));
    }
    /// Sends a copy if there is room within the time.
    expected<void> try_send(bytes_view bytes, wait_time wait = do_not_wait) {
        return detail::tried(ringway_send(handle_.get(), bytes.data(), bytes.size(), wait.nanos()));
    }
    /// With a number that the receiver gets with the frame.
    void send_kind(std::uint16_t kind, bytes_view bytes, wait_time wait = for_ever) {
        detail::must(try_kind(kind, bytes, wait));
    }
    expected<void> try_send_kind(std::uint16_t kind, bytes_view bytes, wait_time wait = do_not_wait) {
        return detail::tried(try_kind(kind, bytes, wait));
    }
    /// A copy that is of no use any more after a time; at once (`RINGWAY_EXPIRED`), where that is negative.
    expected<void> try_send_expiring(bytes_view bytes, std::chrono::nanoseconds lifetime, std::uint16_t kind = 0) {
        return detail::tried(ringway_sender_send_expiring(handle_.get(), kind, bytes.data(), bytes.size(),
                                                          static_cast<std::uint64_t>(std::max<std::int64_t>(lifetime.count(), 0))));
    }

    /// Sends copies as one group, which becomes visible with one store. `wait`: for room for each.
    void send_many(std::span<const ringway_payload> payloads, wait_time wait = for_ever) {
        std::size_t sent;
        detail::must(ringway_sender_send_many(handle_.get(), payloads.data(), payloads.size(), wait.nanos(), &sent));
    }
    /// The same; `sent` gets how many were sent, also where it fails after some of them.
    expected<void> try_send_many(std::span<const ringway_payload> payloads, std::size_t &sent, wait_time wait = do_not_wait) {
        return detail::tried(ringway_sender_send_many(handle_.get(), payloads.data(), payloads.size(), wait.nanos(), &sent));
    }

    /// Space for a frame, to be filled in place. `alignment`: what its address is a multiple of, at most the option `RINGWAY_ALIGNMENT_MOST`.
    [[nodiscard]] reservation reserve(std::size_t length, wait_time wait = for_ever, std::size_t alignment = 8) {
        return std::move(try_reserve(length, wait, alignment).value());
    }
    [[nodiscard]] expected<reservation> try_reserve(std::size_t length, wait_time wait = do_not_wait, std::size_t alignment = 8) {
        void *start;
        const status code = ringway_sender_reserve(handle_.get(), length, alignment, wait.nanos(), &start);
        if (code != RINGWAY_OK) return failure::of(code);
        return reservation(handle_.get(), {static_cast<std::byte *>(start), length});
    }

    /// What is sent while it lives becomes visible together.
    [[nodiscard]] ringway::group group() {
        detail::must(ringway_sender_open_group(handle_.get()));
        return ringway::group(handle_.get());
    }

    /// Sends at this priority from now on: 0 is received first.
    void priority(std::size_t priority) { detail::must(ringway_sender_set_priority(handle_.get(), priority)); }
    /// Asks the kernel whether the peer's receiver is still there.
    expected<void> check() { return detail::tried(ringway_sender_check(handle_.get())); }
    /// Whether to poll the descriptor, for readability: `false`, there is room now. `alignment`: that of the `try_reserve` which is to find it.
    bool arm(std::size_t length, std::size_t alignment = 8) {
        bool armed;
        detail::must(ringway_sender_arm_aligned(handle_.get(), length, alignment, &armed));
        return armed;
    }
    [[nodiscard]] int descriptor() const {
        int descriptor;
        detail::must(ringway_sender_descriptor(handle_.get(), &descriptor));
        return descriptor;
    }
    [[nodiscard]] ringway_half about() const {
        ringway_half about;
        detail::must(ringway_sender_about(handle_.get(), &about));
        return about;
    }
    /// What ends a wait of this half from another thread; to be asked for before the wait.
    [[nodiscard]] ringway::interrupter interrupter() {
        ringway_interrupter *made;
        detail::must(ringway_sender_interrupter(handle_.get(), &made));
        return ringway::interrupter(made);
    }
    [[nodiscard]] ringway_sender *get() const noexcept { return handle_.get(); }

  private:
    friend struct detail::handles;
    status try_kind(std::uint16_t kind, bytes_view bytes, wait_time wait) {
        return ringway_sender_send_kind(handle_.get(), kind, bytes.data(), bytes.size(), wait.nanos());
    }

    detail::owned<ringway_sender, ringway_sender_free> handle_;
};

} // namespace ringway
