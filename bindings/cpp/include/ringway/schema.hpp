// What a lane carries, as a value.
#pragma once

#include <ringway/error.hpp>
#include <ringway/handle.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ringway {

/// Sixteen bytes that are equal where two schemas mean the same bytes.
using fingerprint = std::array<std::uint8_t, 16>;

/// A schema: of a peer, or decoded from its table. `describe.hpp` makes one of a struct.
class schema {
  public:
    /// Takes a handle over.
    explicit schema(ringway_schema *handle) : handle_(handle) {}

    /// The schema of a table; throws where the bytes are none.
    static schema decode(bytes_view table) {
        ringway_schema *made;
        detail::must(ringway_schema_decode(table.data(), table.size(), &made));
        return schema(made);
    }

    [[nodiscard]] ringway::fingerprint fingerprint() const {
        ringway::fingerprint found;
        detail::must(ringway_schema_fingerprint(handle_.get(), reinterpret_cast<std::uint8_t(*)[16]>(found.data())));
        return found;
    }

    /// Where a field is in frames of a kind: `price`, or `leg.price` of a record in a record.
    [[nodiscard]] expected<ringway_place> try_field(std::uint16_t kind, const std::string &path) const {
        ringway_place place;
        const status code = ringway_schema_field(handle_.get(), kind, path.c_str(), &place);
        if (code != RINGWAY_OK) return failure::of(code);
        return place;
    }
    [[nodiscard]] ringway_place field(std::uint16_t kind, const std::string &path) const {
        return try_field(kind, path).value();
    }

    /// Bytes of the fixed part of frames of a kind; none, if it knows no such kind.
    [[nodiscard]] std::optional<std::size_t> size_of(std::uint16_t kind) const {
        std::size_t size, length;
        char name[256];
        const status code = ringway_schema_record(handle_.get(), kind, &size, name, sizeof name, &length);
        if (code == RINGWAY_NO_SUCH_FIELD) return {};
        detail::must(code);
        return size;
    }

    [[nodiscard]] std::string json() const {
        std::string text(4096, '\0');
        std::size_t length;
        status code;
        while ((code = ringway_schema_json(handle_.get(), text.data(), text.size(), &length)) == RINGWAY_TRUNCATED)
            text.resize(length + 1);
        detail::must(code);
        text.resize(length);
        return text;
    }

    /// Throws, with the first field that differs, where who expects `reader` does not understand what `writer` writes.
    static void compare(const schema &writer, const schema &reader) {
        detail::must(ringway_schema_compare(writer.get(), reader.get()));
    }

    [[nodiscard]] const ringway_schema *get() const noexcept { return handle_.get(); }

  private:
    detail::owned<ringway_schema, ringway_schema_free> handle_;
};

} // namespace ringway
