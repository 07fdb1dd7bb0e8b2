"""Chance and identifiers that depend on a seed and a name only: the same in every process and at any time."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from uuid import UUID

_FOUR = Struct("<4Q")
_EIGHT = Struct("<8Q")
_SCALE = 2.0**-64


def chances(*key: object) -> tuple[float, float, float, float]:
    """Four independent numbers in [0, 1) for this key."""
    first, second, third, fourth = _FOUR.unpack(_digest(key, 32))
    return first * _SCALE, second * _SCALE, third * _SCALE, fourth * _SCALE


def many_chances(*key: object) -> tuple[float, ...]:
    """Eight of them at little more than the price of four."""
    return tuple(number * _SCALE for number in _EIGHT.unpack(_digest(key, 64)))


class Ids:
    """UUIDs that carry an index, so that a call is found by its id without a table of ids.

    The index is hidden under a digest of salt and index; an id that was not made here decodes to None."""

    def __init__(self, *salt: object) -> None:
        self._salt = salt
        self._mask = int.from_bytes(_digest(salt, 6), "big")

    def encode(self, index: int) -> str:
        """The id of `index` (0 … 2^48 - 1)."""
        digest = bytearray(_digest((*self._salt, index), 16))
        digest[6] = digest[6] & 0x0F | 0x40
        digest[8] = digest[8] & 0x3F | 0x80
        digest[:6] = (index ^ self._mask ^ int.from_bytes(digest[10:], "big")).to_bytes(6, "big")
        text = digest.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def decode(self, text: str) -> int | None:
        """The index of an id of ours, else None."""
        try:
            raw = UUID(text).bytes
        except ValueError:
            return None
        index = int.from_bytes(raw[:6], "big") ^ self._mask ^ int.from_bytes(raw[10:], "big")
        return index if self.encode(index) == text.lower() else None


def _digest(key: tuple[object, ...], size: int) -> bytes:
    return blake2b("|".join(map(str, key)).encode(), digest_size=size).digest()
