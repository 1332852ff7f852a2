"""A client of service.py: it asks for some sums, without waiting for each answer before the next question.

    python client.py NAME
"""

import struct
import sys

import ringway


def main(name: str) -> None:
    with ringway.connect(name) as connection:
        questions = [list(range(n)) for n in range(1, 6)]
        connection.send_batch(struct.pack(f"<{len(numbers)}q", *numbers) for numbers in questions)
        for numbers in questions:
            (total,) = struct.unpack("<q", connection.recv(timeout=10))
            print(f"{' + '.join(map(str, numbers))} = {total}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python client.py NAME")
    main(sys.argv[1])
