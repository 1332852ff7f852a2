// Connections that carry messages.
#pragma once

#include <ringway/connection.hpp>
#include <ringway/lane.hpp>

namespace ringway {

/// The half that sends the messages of a lane.
template <class L> class typed_sender {
    using lane = detail::carried<L>;

  public:
    explicit typed_sender(sender half) : half_(std::move(half)) {}

    /// Sends a copy, waiting for room.
    template <class T> [[gnu::always_inline]] void send(const T &message, wait_time wait = for_ever) { detail::must(put(message, wait)); }
    template <class T> expected<void> try_send(const T &message, wait_time wait = do_not_wait) {
        return detail::tried(put(message, wait));
    }
    /// Of a message with a variable part: behind the fixed one.
    template <class T>
        requires detail::is_tailed<T>::value
    void send(const T &head, std::span<const typename tail_of<T>::element> tail, wait_time wait = for_ever) {
        static_assert(lane::template carries<T>, "this lane does not carry this message");
        auto space = half_.reserve(detail::record_size<T> + tail.size_bytes(), wait);
        std::memcpy(space.bytes().data(), &head, detail::record_size<T>);
        if (!tail.empty()) std::memcpy(space.bytes().data() + detail::record_size<T>, tail.data(), tail.size_bytes());
        space.commit(space.bytes().size(), lane::template kind_of<T>());
    }

    /// The half without its types, for groups, priorities and event loops.
    [[nodiscard]] sender &untyped() noexcept { return half_; }

  private:
    template <class T> [[gnu::always_inline]] status put(const T &message, wait_time wait) {
        static_assert(lane::template carries<T>, "this lane does not carry this message");
        static_assert(!detail::is_tailed<T>::value, "this message has a variable part: send(head, tail)");
        constexpr std::uint16_t kind = lane::template kind_of<T>();
        if constexpr (kind == 0) return ringway_send(half_.get(), &message, detail::record_size<T>, wait.nanos());
        return ringway_sender_send_kind(half_.get(), kind, &message, detail::record_size<T>, wait.nanos());
    }

    sender half_;
};

/// The half that receives the messages of a lane. What was received is checked: no value of a peer's is trusted. One that makes no sense is consumed, told as `RINGWAY_MALFORMED`, and the next call receives the one behind it.
template <class L> class typed_receiver {
    using lane = detail::carried<L>;

  public:
    /// A message; where a lane carries several, a `std::variant` of them.
    using value = typename lane::value;

    typed_receiver(receiver half, const std::optional<schema> &theirs) : half_(std::move(half)) {
        same_ = !theirs || theirs->fingerprint() == fingerprint_of<L>();
        for (std::size_t at = 0; at < lane::count; at++)
            sizes_[at] = same_ ? lane::sizes[at] : theirs->size_of(lane::kinds[at]).value_or(lane::sizes[at]);
    }

    /// The next message.
    [[nodiscard]] value recv(wait_time wait = for_ever) {
        value found;
        recv_into(found, wait);
        return found;
    }
    /// The same, over one that is there.
    [[gnu::always_inline]] void recv_into(value &found, wait_time wait = for_ever) {
        if (!at_once(found)) [[unlikely]]
            take_or_throw(found, wait);
    }
    [[nodiscard]] expected<value> try_recv(wait_time wait = do_not_wait) {
        value found;
        if (at_once(found)) [[likely]]
            return found;
        std::string path;
        const status code = take(found, wait, path);
        if (code != RINGWAY_OK) return why(code, path);
        return found;
    }

    /// The half without its types, for event loops.
    [[nodiscard]] receiver &untyped() noexcept { return half_; }

  private:
    static constexpr bool is_plain() {
        if constexpr (lane::single) return !detail::is_tailed<L>::value;
        return false;
    }
    static failure why(status code, const std::string &path) {
        if (code == RINGWAY_MALFORMED) return {code, path};
        return failure::of(code);
    }

    /// The shortest way, of a lane with one message of a fixed length.
    [[gnu::always_inline]] bool at_once(value &found) {
        if constexpr (is_plain()) {
            if (!same_) [[unlikely]]
                return false;
            constexpr std::size_t size = detail::record_size<L>;
            const status code = size == 64 ? ringway_receiver_recv_64(half_.get(), &found) : ringway_receiver_recv_exact(half_.get(), &found, size);
            if (code != RINGWAY_OK) [[unlikely]]
                return false;
            if constexpr (detail::layout<L>::checked) return checked(found);
            return true;
        }
        return false;
    }

    /// What makes no sense is told by `take`, which comes next.
    bool checked(value &found) {
        if constexpr (is_plain()) {
            if (detail::layout<L>::check(reinterpret_cast<const std::byte *>(&found), malformed_)) [[likely]]
                return true;
            found = L{};
            senseless(malformed_);
        }
        return false;
    }

    /// Apart, so that the way above makes nothing ready for it.
    [[gnu::noinline]] void take_or_throw(value &found, wait_time wait) {
        std::string path;
        const status code = take(found, wait, path);
        if (code != RINGWAY_OK) throw error(why(code, path));
    }

    status take(value &found, wait_time wait, std::string &path) {
        if (!malformed_.empty()) {
            path = std::exchange(malformed_, {});
            return RINGWAY_MALFORMED;
        }
        ringway_frame about;
        if (const status code = ringway_receiver_next(half_.get(), wait.nanos(), &about); code != RINGWAY_OK) return code;
        const auto *place = std::find(lane::kinds.data(), lane::kinds.data() + lane::count, about.kind);
        const auto index = static_cast<std::size_t>(place - lane::kinds.data());
        std::size_t copied = 0;
        {
            // Released whatever happens: there may be no memory for a copy.
            struct release {
                ringway_receiver *half;
                ~release() { ringway_receiver_release(half); }
            } const releases{half_.get()};
            buffer_.resize(about.length + 1);
            const status code = ringway_receiver_copy(half_.get(), 0, buffer_.data(), about.length, &copied);
            if (code != RINGWAY_OK) return code;
        }
        if (index == lane::count) {
            path = "a frame has the kind " + std::to_string(about.kind) + ", which is none of this lane";
            return RINGWAY_MALFORMED;
        }
        return read(found, index, copied, path, std::make_index_sequence<lane::count>{});
    }

    template <std::size_t... At> status read(value &found, std::size_t index, std::size_t length, std::string &path, std::index_sequence<At...>) {
        status code = RINGWAY_MALFORMED;
        ((At == index ? void(code = read_one<At>(found, length, path)) : void()), ...);
        return code;
    }

    template <std::size_t At> status read_one(value &found, std::size_t length, std::string &path) {
        using T = std::tuple_element_t<At, typename lane::messages>;
        const std::size_t fixed = sizes_[At];
        if (length < fixed || (!detail::is_tailed<T>::value && length != fixed)) {
            path = std::to_string(length) + " bytes, where " + std::to_string(fixed) + " were expected";
            return RINGWAY_MALFORMED;
        }
        typename detail::given<T>::type made{};
        T *head;
        if constexpr (detail::is_tailed<T>::value) head = &made.head;
        else head = &made;
        // What the sender does not know stays as `{}` made it; what only the sender knows is left out.
        std::memcpy(static_cast<void *>(head), buffer_.data(), std::min(fixed, detail::record_size<T>));
        if constexpr (detail::head_layout<T>::checked)
            if (!detail::head_layout<T>::check(reinterpret_cast<const std::byte *>(head), path)) return senseless(path);
        if constexpr (detail::is_tailed<T>::value) {
            using E = typename tail_of<T>::element;
            const std::byte *start = buffer_.data() + fixed;
            const std::size_t left = length - fixed;
            if constexpr (std::is_same_v<E, char>) {
                if (!detail::is_utf8(start, left)) return senseless(path = std::string(tail_of<T>::name));
                made.tail.assign(reinterpret_cast<const char *>(start), left);
            } else {
                if (left % sizeof(E) != 0) return senseless(path = std::string(tail_of<T>::name));
                for (std::size_t at = 0; at < left; at += sizeof(E))
                    if constexpr (detail::layout<E>::checked)
                        if (!detail::layout<E>::check(start + at, path)) return senseless(path = std::string(tail_of<T>::name) + "[" + std::to_string(at / sizeof(E)) + "]");
                made.tail.resize(left / sizeof(E));
                if (left > 0) std::memcpy(static_cast<void *>(made.tail.data()), start, left);
            }
        }
        if constexpr (lane::single) found = std::move(made);
        else found.template emplace<At + 1>(std::move(made));
        return RINGWAY_OK;
    }

    static status senseless(std::string &path) {
        path = "field `" + path + "`: its bytes are no value of its type";
        return RINGWAY_MALFORMED;
    }

    receiver half_;
    std::array<std::size_t, lane::count> sizes_{};
    std::vector<std::byte> buffer_;
    bool same_;
    std::string malformed_;
};

/// A connection on which we send the messages of `S` and receive those of `R`.
template <class S, class R> class typed_connection {
  public:
    // In braces, so that it is asked before it is taken apart.
    explicit typed_connection(connection made) : typed_connection(parts{made.peer(), made.peer_sends(), std::move(made).split()}) {}

    [[nodiscard]] ringway_peer peer() const { return peer_; }
    /// The halves, each of which may live in a thread of its own.
    [[nodiscard]] std::pair<typed_sender<S>, typed_receiver<R>> split() && { return {std::move(sender), std::move(receiver)}; }

  private:
    struct parts {
        ringway_peer peer;
        std::optional<schema> theirs;
        std::pair<ringway::sender, ringway::receiver> halves;
    };
    explicit typed_connection(parts made)
        : sender(std::move(made.halves.first)), receiver(std::move(made.halves.second), made.theirs), peer_(made.peer) {}

  public:
    typed_sender<S> sender;
    typed_receiver<R> receiver;

  private:
    ringway_peer peer_;
};

namespace detail {
template <class S, class R> config carrying(config options) {
    options.sends(schema_of<S>());
    options.expects(schema_of<R>());
    return options;
}
} // namespace detail

/// Connects, to send the messages of `S` and receive those of `R`. A peer that understands something else is refused, and told what differs.
template <class S, class R> [[nodiscard]] expected<typed_connection<S, R>> try_connect(const std::string &address, config options = {}) {
    auto made = try_connect(address, detail::carrying<S, R>(std::move(options)));
    if (!made) return made.error();
    return typed_connection<S, R>(*std::move(made));
}
template <class S, class R> [[nodiscard]] typed_connection<S, R> connect(const std::string &address, config options = {}) {
    return std::move(try_connect<S, R>(address, std::move(options)).value());
}

/// Waits for clients, to each of which it sends the messages of `S`, and from which it receives those of `R`.
template <class S, class R> class typed_listener {
  public:
    explicit typed_listener(const std::string &address, config options = {}) : inner_(address, detail::carrying<S, R>(std::move(options))) {}

    [[nodiscard]] typed_connection<S, R> accept(wait_time wait = for_ever) { return typed_connection<S, R>(inner_.accept(wait)); }
    [[nodiscard]] expected<typed_connection<S, R>> try_accept(wait_time wait = do_not_wait) {
        auto made = inner_.try_accept(wait);
        if (!made) return made.error();
        return typed_connection<S, R>(*std::move(made));
    }
    [[nodiscard]] listener &untyped() noexcept { return inner_; }

  private:
    listener inner_;
};

} // namespace ringway
