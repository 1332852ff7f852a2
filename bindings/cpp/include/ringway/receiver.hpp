// The half of a connection that receives.
#pragma once

#include <ringway/error.hpp>
#include <ringway/handle.hpp>
#include <ringway/interrupter.hpp>
#include <ringway/layout.hpp>

#include <cstring>
#include <exception>
#include <vector>

namespace ringway {

/// A frame that lies in the ring until this is destroyed. It must not outlive its receiver. An exception that destroys it is not finished with it: of a connection that can be resumed the next server gets it, in doubt, unless this one asks for another frame.
class frame {
  public:
    frame(frame &&other) noexcept : receiver_(std::exchange(other.receiver_, nullptr)), about_(other.about_), thrown_(other.thrown_) {}
    frame &operator=(frame &&) = delete;
    ~frame() {
        if (!receiver_) return;
        if (std::uncaught_exceptions() > thrown_) [[unlikely]]
            (void)ringway_receiver_leave(receiver_);
        else
            (void)ringway_receiver_release(receiver_);
    }
    /// Gives it up as an exception does.
    void leave() { detail::must(ringway_receiver_leave(std::exchange(receiver_, nullptr))); }

    [[nodiscard]] std::size_t size() const noexcept { return about_.length; }
    [[nodiscard]] std::uint16_t kind() const noexcept { return about_.kind; }
    [[nodiscard]] unsigned priority() const noexcept { return about_.priority; }
    [[nodiscard]] std::uint64_t position() const noexcept { return about_.position; }
    [[nodiscard]] unsigned redelivery() const noexcept { return about_.redelivery; }

    /// Copies bytes from an offset on, as many as there are and fit; returns those.
    bytes_room copy_to(bytes_room room, std::size_t offset = 0) const {
        std::size_t copied;
        detail::must(ringway_receiver_copy(receiver_, offset, room.data(), room.size(), &copied));
        return room.first(copied);
    }
    [[nodiscard]] std::vector<std::byte> to_vector() const {
        std::vector<std::byte> copy(size());
        copy_to(copy);
        return copy;
    }
    /// The bytes in place. **Only for a peer that is trusted** as if it ran in this process: it can change them at any time.
    [[nodiscard]] bytes_view trusted() const {
        const void *start;
        std::size_t length;
        detail::must(ringway_receiver_trusted(receiver_, &start, &length));
        return {static_cast<const std::byte *>(start), length};
    }

  private:
    friend class receiver;
    frame(ringway_receiver *receiver, const ringway_frame &about) : receiver_(receiver), about_(about) {}

    ringway_receiver *receiver_;
    ringway_frame about_;
    /// How many exceptions were on their way when it was received.
    int thrown_ = std::uncaught_exceptions();
};

/// The half that receives. One thread at a time uses it; the half that sends may be used by another meanwhile. Destroying it tells the peer that nothing more is read.
class receiver {
  public:
    /// Takes a handle over.
    explicit receiver(ringway_receiver *handle) : handle_(handle) {}

    /// Copies the next frame into `room` and releases it. Returns its bytes. It tells no kind: `next` does.
    bytes_room recv(bytes_room room, wait_time wait = for_ever) { return try_recv(room, wait).value(); }
    [[nodiscard]] expected<bytes_room> try_recv(bytes_room room, wait_time wait = do_not_wait) {
        std::size_t length;
        const status code = ringway_recv(handle_.get(), room.data(), room.size(), wait.nanos(), &length);
        if (code != RINGWAY_OK) [[unlikely]]
            return failure::of(code);
        return room.first(length);
    }
    /// Copies the next frame over an object that is nothing but bytes: one of which any bytes are a value (`ringway::is_any_bytes`), or a truth value, a described struct or enumeration, or an array of those, whose bytes are checked. A frame of another length is an error: one that is longer stays unread (`RINGWAY_TRUNCATED`), one that is shorter is consumed (`RINGWAY_MALFORMED`), as is one whose bytes are no value.
    /// Where it throws, the object is all zeros.
    template <class T>
        requires(std::is_trivially_copyable_v<T> && is_plain<T>::value && (is_any_bytes<T>::value || detail::is_checkable<T>))
    [[gnu::always_inline]] void recv_into(T &value, wait_time wait = for_ever) {
        if constexpr (sizeof value == 64) {
            if (ringway_receiver_recv_64(handle_.get(), &value) != RINGWAY_OK) [[unlikely]]
                recv_all(&value, sizeof value, wait);
        } else {
            recv_all(&value, sizeof value, wait);
        }
        if constexpr (!is_any_bytes<T>::value)
            if constexpr (detail::layout<T>::checked) checked(value);
    }

    /// Copies the frames that are there into `room`, one behind the other, until it is full or all of `parts` are used; `wait` is for the first. Gives back the parts that say where each is: at least one. It ends behind a frame that is in doubt: `last` tells.
    std::span<const ringway_part> recv_many(bytes_room room, std::span<ringway_part> parts, wait_time wait = for_ever) { return try_recv_many(room, parts, wait).value(); }
    [[nodiscard]] expected<std::span<const ringway_part>> try_recv_many(bytes_room room, std::span<ringway_part> parts, wait_time wait = do_not_wait) {
        std::size_t count;
        const status code = ringway_receiver_recv_many(handle_.get(), room.data(), room.size(), parts.data(), parts.size(), wait.nanos(), &count);
        if (code != RINGWAY_OK) return failure::of(code);
        return std::span<const ringway_part>(parts.first(count));
    }

    /// The next frame, in the ring.
    [[nodiscard]] frame next(wait_time wait = for_ever) { return std::move(try_next(wait).value()); }
    [[nodiscard]] expected<frame> try_next(wait_time wait = do_not_wait) {
        ringway_frame about;
        const status code = ringway_receiver_next(handle_.get(), wait.nanos(), &about);
        if (code != RINGWAY_OK) return failure::of(code);
        return frame(handle_.get(), about);
    }

    /// Whether to poll the descriptor, for readability: `false`, there is a frame now, or an end to report. Where there is neither yet (`RINGWAY_EMPTY`), an end is being established, for some milliseconds at most: arm again. Of a half that waits by `RINGWAY_WAIT_SPIN` always `false`.
    bool arm() {
        bool armed;
        detail::must(ringway_receiver_arm(handle_.get(), &armed));
        return armed;
    }
    [[nodiscard]] int descriptor() const {
        int descriptor;
        detail::must(ringway_receiver_descriptor(handle_.get(), &descriptor));
        return descriptor;
    }
    /// Finishes with what was copied out, where the connection can be resumed: as a server does that has answered and is about to end. Otherwise that is done when the next frame is asked for.
    void release() { detail::must(ringway_receiver_release(handle_.get())); }
    /// What is said of the frame that was received last, by calls that return no `frame`; of several at once, of the last of them, and no other one of them is in doubt.
    [[nodiscard]] ringway_last last() const {
        ringway_last last;
        detail::must(ringway_receiver_last(handle_.get(), &last));
        return last;
    }
    [[nodiscard]] ringway_half about() const {
        ringway_half about;
        detail::must(ringway_receiver_about(handle_.get(), &about));
        return about;
    }
    /// What ends a wait of this half from another thread; to be asked for before the wait.
    [[nodiscard]] ringway::interrupter interrupter() {
        ringway_interrupter *made;
        detail::must(ringway_receiver_interrupter(handle_.get(), &made));
        return ringway::interrupter(made);
    }
    [[nodiscard]] ringway_receiver *get() const noexcept { return handle_.get(); }

  private:
    friend struct detail::handles;
    /// Apart, so that the way above makes nothing ready for it.
    [[gnu::noinline]] void recv_all(void *start, std::size_t size, wait_time wait) {
        std::size_t length;
        const status code = ringway_receiver_recv(handle_.get(), start, size, wait.nanos(), &length);
        if (code == RINGWAY_OK && length == size) [[likely]]
            return;
        // A wait that ends in the middle of a large frame leaves a part of it there, which nobody has checked.
        std::memset(start, 0, size);
        detail::must(code);
        detail::raise({RINGWAY_MALFORMED, "the frame has " + std::to_string(length) + " bytes, where " + std::to_string(size) + " were expected"});
    }
    /// By its bytes, before anybody reads a value that is none.
    template <class T> static void checked(T &value) {
        std::string path;
        if (detail::layout<T>::check(reinterpret_cast<const std::byte *>(&value), path)) [[likely]]
            return;
        std::memset(static_cast<void *>(&value), 0, sizeof value);
        detail::raise({RINGWAY_MALFORMED, detail::no_value(path)});
    }

    detail::owned<ringway_receiver, ringway_receiver_free> handle_;
};

} // namespace ringway
