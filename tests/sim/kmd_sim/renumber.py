"""Puts another sid and seq into the text of a recorded frame, touching no other byte. Pure."""

import re

NUMBER = re.compile(rb"\s*:\s*(-?\d+)")
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.S)


def members(line: bytes) -> list[tuple[int, bytes, int, int]]:
    """(depth, name, start, end) of every integer member of the objects in `line`."""
    found: list[tuple[int, bytes, int, int]] = []
    depth, i = 0, 0
    while i < len(line):
        c = line[i : i + 1]
        if c in b"{[":
            depth += 1
        elif c in b"}]":
            depth -= 1
        elif c == b'"' and (string := STRING.match(line, i)):
            i = string.end()
            if number := NUMBER.match(line, i):
                found.append((depth, string.group()[1:-1], number.start(1), number.end(1)))
                i = number.end()
            continue
        i += 1
    return found


def renumber(line: bytes, sid: int, seq: int | None) -> bytes:
    """sid where the envelope has one (or `msg` of a `subscribed`), seq where the envelope has one."""
    out = line
    for depth, name, start, end in reversed(members(line)):
        if name == b"sid" and depth <= 2:
            out = out[:start] + b"%d" % sid + out[end:]
        elif name == b"seq" and depth == 1 and seq is not None:
            out = out[:start] + b"%d" % seq + out[end:]
        elif name == b"seq" and depth == 1:
            continue
    return out
