#!/bin/sh
# Stands in for the command `ringway` in the tests of the demo: a fifo in place of a segment.
# Behaves, and its benchmark measures each row, as badly as the file `fault` in its directory says.
set -e
name=$RINGWAY_DIR/$2
case $1 in
recv)
    . "$RINGWAY_DIR/fault"
    mkfifo "$name.new"
    mv "$name.new" "$name"
    cat "$name"
    rm "$name"
    ;;
send)
    until test -p "$name"; do sleep 0.01; done
    cat > "$name"
    ;;
bench)
    echo called >> "$RINGWAY_DIR/calls"
    calls=$(wc -l < "$RINGWAY_DIR/calls")
    shift 3
    for row; do
        . "$RINGWAY_DIR/fault"
    done
    ;;
esac
