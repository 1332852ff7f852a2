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
        fill(space.bytes(), head, tail);
        space.commit(space.bytes().size(), lane::template kind_of<T>());
    }
    /// The same if there is room within the time.
    template <class T>
        requires detail::is_tailed<T>::value
    expected<void> try_send(const T &head, std::span<const typename tail_of<T>::element> tail, wait_time wait = do_not_wait) {
        static_assert(lane::template carries<T>, "this lane does not carry this message");
        auto space = half_.try_reserve(detail::record_size<T> + tail.size_bytes(), wait);
        if (!space) return space.error();
        fill(space->bytes(), head, tail);
        space->commit(space->bytes().size(), lane::template kind_of<T>());
        return {};
    }
    /// Sends many of one message in one frame, a copy, waiting for room: a vector, an array, a span. `recv_batch` receives them, in Rust too.
    template <class R>
        requires requires(const R &messages) { std::span(messages); }
    void send_slice(const R &messages, wait_time wait = for_ever) {
        detail::must(put_all(std::span(messages), wait));
    }
    /// The same if there is room within the time.
    template <class R>
        requires requires(const R &messages) { std::span(messages); }
    expected<void> try_send_slice(const R &messages, wait_time wait = do_not_wait) {
        return detail::tried(put_all(std::span(messages), wait));
    }
    /// The most messages of a type that one frame can hold.
    template <class T = L> [[nodiscard]] std::size_t max_batch() const {
        static_assert(lane::template carries<T>, "this lane does not carry this message");
        return half_.about().max_payload / std::max<std::size_t>(detail::record_size<T>, 1);
    }

    /// The half without its types, for groups, priorities and event loops.
    [[nodiscard]] sender &untyped() noexcept { return half_; }

  private:
    template <class T> static void fill(bytes_room room, const T &head, std::span<const typename tail_of<T>::element> tail) {
        std::memcpy(room.data(), &head, detail::record_size<T>);
        if (!tail.empty()) std::memcpy(room.data() + detail::record_size<T>, tail.data(), tail.size_bytes());
    }
    template <class T, std::size_t N> status put_all(std::span<T, N> messages, wait_time wait) {
        using message = std::remove_const_t<T>;
        static_assert(lane::template carries<message>, "this lane does not carry this message");
        static_assert(!detail::is_tailed<message>::value, "messages with a variable part go one in a frame");
        static_assert(detail::record_size<message> > 0, "messages without bytes cannot be counted");
        return ringway_sender_send_kind(half_.get(), lane::template kind_of<message>(), messages.data(), messages.size_bytes(), wait.nanos());
    }
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

    /// All messages of the next frame: what `send_slice` sent, here or in Rust, or one alone. A frame of another message of the lane is an error here, and consumed, and one message that makes no sense makes the batch so.
    template <class T = L> [[nodiscard]] std::vector<T> recv_batch(wait_time wait = for_ever) {
        std::vector<T> found;
        std::string path;
        const status code = take_batch(found, wait, path);
        if (code != RINGWAY_OK) detail::raise(why(code, path));
        return found;
    }
    template <class T = L> [[nodiscard]] expected<std::vector<T>> try_recv_batch(wait_time wait = do_not_wait) {
        std::vector<T> found;
        std::string path;
        const status code = take_batch(found, wait, path);
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
        if (code != RINGWAY_OK) detail::raise(why(code, path));
    }

    status take(value &found, wait_time wait, std::string &path) {
        std::size_t index = 0, copied = 0;
        if (const status code = next(wait, index, copied, path); code != RINGWAY_OK) return code;
        return read(found, index, copied, path, std::make_index_sequence<lane::count>{});
    }

    /// Older messages may lack fields, so that a short frame holds many: no more than a vector of this size is made of it.
    static constexpr std::size_t most = std::size_t{1} << 30;

    template <class T> status take_batch(std::vector<T> &found, wait_time wait, std::string &path) {
        static_assert(lane::template carries<T>, "this lane does not carry this message");
        static_assert(!detail::is_tailed<T>::value, "messages with a variable part come one in a frame");
        static_assert(detail::record_size<T> > 0, "messages without bytes cannot be counted");
        constexpr std::uint16_t kind = lane::template kind_of<T>();
        constexpr std::size_t own = static_cast<std::size_t>(std::find(lane::kinds.begin(), lane::kinds.end(), kind) - lane::kinds.begin());
        std::size_t index = 0, copied = 0;
        if (const status code = next(wait, index, copied, path); code != RINGWAY_OK) return code;
        if (index != own) {
            path = "a frame has the kind " + std::to_string(lane::kinds[index]) + ", where " + std::to_string(kind) + " was expected";
            return RINGWAY_MALFORMED;
        }
        const std::size_t stride = sizes_[own];
        if (stride == 0 || copied % stride != 0) {
            path = std::to_string(copied) + " bytes, where a multiple of " + std::to_string(stride) + " was expected";
            return RINGWAY_MALFORMED;
        }
        if (copied / stride > most / sizeof(T)) {
            path = std::to_string(copied / stride) + " messages, which would take more than 1 GiB";
            return RINGWAY_MALFORMED;
        }
        found.assign(copied / stride, T{});
        for (std::size_t at = 0; at < found.size(); at++) {
            std::memcpy(static_cast<void *>(&found[at]), buffer_.data() + at * stride, std::min(stride, detail::record_size<T>));
            if constexpr (detail::head_layout<T>::checked)
                if (!detail::head_layout<T>::check(reinterpret_cast<const std::byte *>(&found[at]), path)) {
                    found.clear();
                    path = "[" + std::to_string(at) + "]." + path;
                    return senseless(path);
                }
        }
        return RINGWAY_OK;
    }

    /// Copies the next frame into `buffer_` and releases it; `index`: which message of the lane it is.
    status next(wait_time wait, std::size_t &index, std::size_t &copied, std::string &path) {
        if (!malformed_.empty()) {
            path = std::exchange(malformed_, {});
            return RINGWAY_MALFORMED;
        }
        ringway_frame about;
        if (const status code = ringway_receiver_next(half_.get(), wait.nanos(), &about); code != RINGWAY_OK) return code;
        const auto *place = std::find(lane::kinds.data(), lane::kinds.data() + lane::count, about.kind);
        index = static_cast<std::size_t>(place - lane::kinds.data());
        {
            // Given up whatever happens: there may be no memory for a copy. Of a connection that can be resumed the caller has it in hand then, until it comes back for the next one.
            struct leave {
                ringway_receiver *half;
                ~leave() { (void)ringway_receiver_leave(half); }
            } const leaves{half_.get()};
            buffer_.resize(about.length + 1);
            const status code = ringway_receiver_copy(half_.get(), 0, buffer_.data(), about.length, &copied);
            if (code != RINGWAY_OK) return code;
        }
        if (index == lane::count) {
            path = "a frame has the kind " + std::to_string(about.kind) + ", which is none of this lane";
            return RINGWAY_MALFORMED;
        }
        return RINGWAY_OK;
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
            if (!detail::is_tailed<T>::value && fixed > 0 && length % fixed == 0) path += ": what is sent as a slice is received by `recv_batch`";
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
        path = detail::no_value(path);
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
    explicit typed_connection(connection made) : typed_connection(parts{made.peer(), made.lineage(), made.peer_sends(), std::move(made).split()}) {}

    [[nodiscard]] ringway_peer peer() const { return peer_; }
    /// Of one that can be resumed.
    [[nodiscard]] const std::optional<ringway::lineage> &lineage() const { return lineage_; }
    /// The halves, each of which may live in a thread of its own.
    [[nodiscard]] std::pair<typed_sender<S>, typed_receiver<R>> split() && { return {std::move(sender), std::move(receiver)}; }
    /// A connection that has a name is given up by it, which has to be seen: `std::move(connection).split()`.
    void split() & = delete;

  private:
    struct parts {
        ringway_peer peer;
        std::optional<ringway::lineage> line;
        std::optional<schema> theirs;
        std::pair<ringway::sender, ringway::receiver> halves;
    };
    explicit typed_connection(parts made)
        : sender(std::move(made.halves.first)), receiver(std::move(made.halves.second), made.theirs), peer_(made.peer), lineage_(made.line) {}

  public:
    typed_sender<S> sender;
    typed_receiver<R> receiver;

  private:
    ringway_peer peer_;
    std::optional<ringway::lineage> lineage_;
};

namespace detail {
/// Makes typed listeners of others (`handover.hpp`).
struct adopted;

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
    /// As `listener::hand_over`.
    [[nodiscard]] int hand_over() { return inner_.hand_over(); }
    /// As `listener::take_back`.
    void take_back() { inner_.take_back(); }
    [[nodiscard]] listener &untyped() noexcept { return inner_; }

  private:
    friend struct detail::adopted;
    explicit typed_listener(listener inner) : inner_(std::move(inner)) {}

    listener inner_;
};

} // namespace ringway
