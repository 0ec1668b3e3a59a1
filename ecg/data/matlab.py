"""MATLAB files, as far as a recording needs them: one matrix of numbers called ``val``, in version 4 or 5; or a struct.

scipy reads more of them, but a crafted file crashes its compiled reader (tests/fuzz.py found one), and with it the run
over a whole folder. What a file claims is held against its size before anything is made of it.
"""

import math
import zlib
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

NAME = b"val"
VERSION_4 = ("f8", "f4", "i4", "i2", "u2", "u1")  # numbers, by the second last digit of the first integer
VERSION_5 = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MATRIX, COMPRESSED = 14, 15  # elements of version 5
NUMERIC = range(6, 16)  # classes of matrices: of float64 to uint64
STRUCT, TEXT = 2, 4  # classes of matrices too
COMPLEX = 0x800
MOST_UNPACKED = 50  # times its size; a recording's noise does not pack so well, a bomb a thousand times


def read_matrix(content: bytes, largest: int) -> np.ndarray:
    """The matrix ``val`` (rows, columns) of a MATLAB file's ``content``; ValueError where there is none.

    A compressed one is not unpacked to more than ``largest`` bytes.
    """
    if content[:6] == b"MATLAB":
        return _version_5(content, largest)
    return _version_4(content)


def _version_4(content: bytes) -> np.ndarray:
    """20 bytes of integers, the name, the columns one after another."""
    order = "<" if int.from_bytes(content[:4], "little") < 1000 else ">"  # the first integer's thousands say so too
    form, rows, columns, imaginary, length = np.frombuffer(content[:20].ljust(20, b"\xff"), f"{order}i4").tolist()
    machine, number = form - form % 1000, form // 10 % 10
    known = machine == (0 if order == "<" else 1000) and form % 1000 < 60 and form % 10 == 0 and imaginary == 0
    if not known or content[20 : 20 + max(length, 0)].rstrip(b"\0") != NAME:
        raise ValueError("no MATLAB file with a matrix 'val'")
    kind, size = np.dtype(order + VERSION_4[number]), len(content) - 20 - length
    if rows < 1 or columns < 1 or size != rows * columns * kind.itemsize:
        raise ValueError(f"claims {rows} x {columns} samples, holds {size} bytes of them; fetch it again")
    return np.frombuffer(content, kind, offset=20 + length).reshape(rows, columns, order="F")


def read_struct(content: bytes, struct: str, largest: int) -> dict[str, np.ndarray | str]:
    """The fields of the one ``struct`` of a version 5 file: matrices of numbers, and texts; others are left out.

    ValueError where there is no such struct. A compressed one is not unpacked to more than ``largest`` bytes.
    """
    for flags, dimensions, name, element, at, order in _matrices(content, largest):
        if name.rstrip(b"\0") != struct.encode():
            continue
        if _class_of(flags, order) != STRUCT or np.frombuffer(dimensions, f"{order}i4").tolist() != [1, 1]:
            break
        _, length, at = _element(element, at, order)
        _, names, at = _element(element, at, order)
        longest = int.from_bytes(length, "little" if order == "<" else "big")
        if not 0 < longest <= len(names):
            break
        fields = {}
        for start in range(0, len(names), longest):
            kind, value, at = _element(element, at, order)
            if kind != MATRIX:
                raise ValueError("it is damaged; fetch it again")
            flags, dimensions, _, value, inside = _head(value, order)
            field = names[start : start + longest].rstrip(b"\0").decode("latin-1")
            if _class_of(flags, order) == TEXT:
                _, text, _ = _element(value, inside, order)
                fields[field] = text.replace(b"\0", b"").decode("latin-1")  # in one byte a letter or, of UTF-16, in two
            elif _class_of(flags, order) in NUMERIC:
                with suppress(ValueError):  # no matrix: empty, complex, of three dimensions
                    fields[field] = _matrix(flags, dimensions, value, inside, order)
        return fields
    raise ValueError(f"no MATLAB file with a struct {struct!r}")


def _version_5(content: bytes, largest: int) -> np.ndarray:
    for flags, dimensions, name, element, at, order in _matrices(content, largest):
        if name.rstrip(b"\0") == NAME:
            return _matrix(flags, dimensions, element, at, order)
    raise ValueError("no MATLAB file with a matrix 'val'")


def _matrices(content: bytes, largest: int) -> Iterator[tuple[bytes, bytes, bytes, bytes, int, str]]:
    """128 bytes, then elements; each a type, a size and so many bytes, which may be elements again.

    Of each matrix its flags, dimensions and name, all of it, where its content begins, and the byte order.
    """
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(content[124:128])
    if order is None:
        raise ValueError("no MATLAB file of version 4 or 5 (one of 7.3 is to be saved again with -v6)")
    at = 128
    while at < len(content):
        kind, element, at = _element(content, at, order)
        if kind == COMPRESSED:
            unpacked, most = zlib.decompressobj(), min(largest, MOST_UNPACKED * len(element) + 1000)
            try:
                kind, element, _ = _element(unpacked.decompress(element, most), 0, order)
            except zlib.error as error:
                raise ValueError(f"its compressed matrix is damaged ({error})") from error
        if kind != MATRIX:
            raise ValueError("it is damaged; fetch it again")
        yield (*_head(element, order), order)


def _head(element: bytes, order: str) -> tuple[bytes, bytes, bytes, bytes, int]:
    """A matrix's flags, dimensions and name, all of it, and where its content begins."""
    _, flags, at = _element(element, 0, order)
    _, dimensions, at = _element(element, at, order)
    _, name, at = _element(element, at, order)
    return flags, dimensions, name, element, at


def _class_of(flags: bytes, order: str) -> int:
    return int.from_bytes(flags[:4], "little" if order == "<" else "big") & 0xFF


def _matrix(flags: bytes, dimensions: bytes, element: bytes, at: int, order: str) -> np.ndarray:
    if len(flags) != 8 or len(dimensions) != 8:
        raise ValueError("its 'val' is no matrix of numbers (leads, samples)")
    said = int(np.frombuffer(flags, f"{order}u4")[0])
    shape = np.frombuffer(dimensions, f"{order}i4").tolist()
    if said & 0xFF not in NUMERIC or said & COMPLEX or min(shape) < 1:
        raise ValueError("its 'val' is no matrix of numbers (leads, samples)")
    kind, numbers, _ = _element(element, at, order)
    if kind not in VERSION_5 or len(numbers) != math.prod(shape) * np.dtype(VERSION_5[kind]).itemsize:
        raise ValueError(f"claims {shape[0]} x {shape[1]} samples, holds {len(numbers)} bytes of them; fetch it again")
    return np.frombuffer(numbers, order + VERSION_5[kind]).reshape(shape, order="F")


def _element(content: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """The type and the bytes of the element that begins at ``at``, and where the next one does."""
    if at + 8 > len(content):
        raise ValueError("it ends too early; fetch it again")
    kind, size = np.frombuffer(content, f"{order}u4", 2, at).tolist()
    if kind >> 16:  # up to four bytes, in the second half of the eight
        kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if size > 4:
            raise ValueError("it is damaged; fetch it again")
    else:
        start = at + 8
        following = start + size if kind == COMPRESSED else start + -(-size // 8) * 8
    if start + size > len(content):
        raise ValueError("it ends too early; fetch it again")
    return kind, content[start : start + size], following
