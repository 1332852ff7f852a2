"""How many messages of 32 bytes go from one process to another as NumPy arrays: filled, sent, received and summed.

    python examples/typed_rate.py [MESSAGES] [PER_ARRAY] [--together]

With `--together` an array is one frame; without, each message has its own.
"""

import multiprocessing
import sys
import time

import numpy as np

import ringway
from ringway import f64, message, u32, u64


@message
class Tick:
    id: u64
    price: f64
    size: f64
    venue: u32
    flags: u32


def send(place: str, count: int, per_array: int, together: bool) -> None:
    """Fills an array over and over, and sends it."""
    ids = np.arange(per_array, dtype=np.uint64)
    prices = (ids % 1000).astype(np.float64)
    ticks = ringway.typed.array(Tick, per_array)
    ticks["size"], ticks["venue"] = 1.0, 7
    with ringway.connect(place, sends=Tick, expects=(), capacity=1 << 20) as connection:
        for first in range(0, count, per_array):
            np.add(ids, np.uint64(first), out=ticks["id"])
            ticks["price"] = prices
            connection.send_array(ticks[: count - first], together=together)


def main() -> None:
    """Receives them, and tells the rate."""
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    count, per_array = (numbers + [20_000_000, 4096][len(numbers) :])[:2]
    together = "--together" in sys.argv
    out = ringway.typed.array(Tick, per_array)
    with ringway.listen("typed-rate", sends=(), expects=Tick) as listener:
        sender = multiprocessing.get_context("spawn").Process(target=send, args=(listener.path, count, per_array, together))
        sender.start()
        with listener.accept(timeout=60) as connection:
            total = connection.recv().price if not together else 0.0
            received = 0 if together else 1
            start = time.perf_counter()
            while received < count:
                ticks = connection.recv_array(per_array, timeout=60, out=out)
                total += float(ticks["price"].sum())
                received += len(ticks)
            took = time.perf_counter() - start
        sender.join()
    print(f"{count / took / 1e6:.1f} million messages a second, {32 * count / took / 1e9:.2f} GB a second; the sum of the prices is {total:.0f}")


if __name__ == "__main__":
    main()
