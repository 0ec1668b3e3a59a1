"""MATLAB files of versions 4 and 5, as far as recordings need them: a numeric matrix ``val``, or a struct.

scipy reads more of the format, but a crafted file crashes its compiled reader (tests/fuzz.py found one) and with it the
run over a whole folder. Here every claim of a file is checked against its size before memory is allocated.
"""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

NAME = b"val"
DTYPES_4 = ("f8", "f4", "i4", "i2", "u2", "u1")  # by the tens digit of version 4's first integer
DTYPES_5 = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MATRIX, COMPRESSED = 14, 15  # element types of version 5
STRUCT, TEXT, NUMERIC = 2, 4, range(6, 16)  # array classes of version 5; numeric: from float64 to uint64
COMPLEX = 0x800  # flag of an array
MAX_EXPANSION = 50  # unpacked size / packed size; a recording's noise stays below, a zip bomb has 1000
ALWAYS_UNPACKED = 16 << 20  # bytes; a recording of mostly zeros may expand more


def read_matrix(content: bytes, largest: int) -> np.ndarray:
    """Read the matrix ``val`` (rows, columns) from the ``content`` of a MATLAB file.

    A compressed matrix is unpacked to at most ``largest`` bytes. Raises ValueError if there is no valid matrix.
    """
    if content[:6] != b"MATLAB":
        return _read_version_4(content)
    for array in _arrays(content, largest):
        if array.name.rstrip(b"\0") == NAME:
            return _numeric_matrix(array)
    raise ValueError("is not a MATLAB file with a matrix 'val'")


def read_struct(content: bytes, name: str, largest: int) -> dict[str, np.ndarray | str]:
    """Read the numeric matrices and texts among the fields of the struct ``name`` in a version 5 file.

    A compressed struct is unpacked to at most ``largest`` bytes. Raises ValueError if there is no valid 1 x 1 struct.
    """
    for array in _arrays(content, largest):
        if array.name.rstrip(b"\0") == name.encode():
            return _struct_fields(array)
    raise ValueError(f"has no struct {name!r}")


class _Variable(NamedTuple):
    """A variable of version 4. Its data are the bytes from ``start`` to ``stop``, if the file is whole."""

    name: bytes
    dtype: np.dtype
    shape: tuple[int, int]  # rows, columns
    is_real: bool  # no text, and no complex numbers
    start: int
    stop: int


def _read_version_4(content: bytes) -> np.ndarray:
    """Version 4: one variable after another."""
    variable = _variable(content, 0)
    while variable and variable.name != NAME:
        variable = _variable(content, variable.stop)
    if variable is None or not variable.is_real:
        raise ValueError("is not a MATLAB file with a matrix 'val'")
    size, held, (rows, columns) = variable.stop - variable.start, len(content) - variable.start, variable.shape
    if not size or held < size or (held > size and _variable(content, variable.stop) is None):
        raise ValueError(f"claims {rows} x {columns} samples, holds {held} bytes of them; fetch it again")
    return np.frombuffer(content, variable.dtype, rows * columns, variable.start).reshape(rows, columns, order="F")


def _variable(content: bytes, start: int) -> _Variable | None:
    """The variable at ``start``: five integers (20 bytes), its name, then its matrix column by column."""
    order = "<" if int.from_bytes(content[start : start + 4], "little") < 1000 else ">"
    integers = np.frombuffer(content[start : start + 20].ljust(20, b"\xff"), f"{order}i4").tolist()
    form, rows, columns, imaginary, name_length = integers
    known = form // 1000 == (order == ">") and form % 1000 < 60 and imaginary in (0, 1)
    if not known or min(rows, columns) < 0 or name_length < 1:
        return None
    data = start + 20 + name_length
    dtype = np.dtype(order + DTYPES_4[form // 10 % 10])
    stop = data + rows * columns * dtype.itemsize * (1 + imaginary)
    name = content[start + 20 : data].rstrip(b"\0")
    return _Variable(name, dtype, (rows, columns), form % 10 == 0 and not imaginary, data, stop)


class _Array(NamedTuple):
    """An array of version 5. Its data are the elements of ``content`` from ``start`` on."""

    flags: bytes
    dimensions: bytes
    name: bytes
    content: bytes
    start: int
    order: str  # of bytes: "<" or ">"

    @property
    def array_class(self) -> int:
        return _integer(self.flags[:4], self.order) & 0xFF


def _arrays(content: bytes, largest: int) -> Iterator[_Array]:
    """Version 5: a header of 128 bytes, then elements, each with a type, a size and data that may be elements too."""
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(content[124:128])
    if order is None:
        raise ValueError("is not a MATLAB file of version 4 or 5 (save one of version 7.3 again with -v6)")
    position = 128
    while position < len(content):
        kind, data, position = _read_element(content, position, order)
        if kind == COMPRESSED:
            kind, data, _ = _read_element(_unpack(data, largest), 0, order)
        if kind != MATRIX:
            raise ValueError("is damaged; fetch it again")
        yield _parse_array(data, order)


def _unpack(data: bytes, largest: int) -> bytes:
    limit = min(largest, max(MAX_EXPANSION * len(data), ALWAYS_UNPACKED))
    inflater = zlib.decompressobj()
    try:
        unpacked = inflater.decompress(data, limit)
    except zlib.error as error:
        raise ValueError(f"its compressed matrix is damaged ({error})") from error
    if inflater.unconsumed_tail:
        raise ValueError(f"its compressed matrix is larger than {limit:,} bytes; save it again without compression")
    return unpacked


def _parse_array(content: bytes, order: str) -> _Array:
    _, flags, position = _read_element(content, 0, order)
    _, dimensions, position = _read_element(content, position, order)
    _, name, position = _read_element(content, position, order)
    return _Array(flags, dimensions, name, content, position, order)


def _struct_fields(array: _Array) -> dict[str, np.ndarray | str]:
    """A struct's data: the length of a field name, all names padded to that length, then an array for each field."""
    content, order = array.content, array.order
    no_struct = ValueError(f"has no struct {array.name.decode('latin-1')!r}")
    if array.array_class != STRUCT or np.frombuffer(array.dimensions, f"{order}i4").tolist() != [1, 1]:
        raise no_struct
    _, length_bytes, position = _read_element(content, array.start, order)
    _, names, position = _read_element(content, position, order)
    length = _integer(length_bytes, order)
    if not 0 < length <= len(names):
        raise no_struct
    fields: dict[str, np.ndarray | str] = {}
    for start in range(0, len(names), length):
        kind, data, position = _read_element(content, position, order)
        if kind != MATRIX:
            raise ValueError("is damaged; fetch it again")
        field, name = _parse_array(data, order), names[start : start + length].rstrip(b"\0").decode("latin-1")
        if field.array_class == TEXT:
            _, text, _ = _read_element(field.content, field.start, order)
            fields[name] = text.replace(b"\0", b"").decode("latin-1")  # one byte a letter, or two in UTF-16
        elif field.array_class in NUMERIC:
            with suppress(ValueError):  # skip an empty, complex or three-dimensional array
                fields[name] = _numeric_matrix(field)
    return fields


def _numeric_matrix(array: _Array) -> np.ndarray:
    order, not_numeric = array.order, "'val' is not a matrix of numbers (leads, samples)"
    if len(array.flags) != 8 or len(array.dimensions) != 8:
        raise ValueError(not_numeric)
    rows, columns = np.frombuffer(array.dimensions, f"{order}i4").tolist()
    if array.array_class not in NUMERIC or _integer(array.flags[:4], order) & COMPLEX or min(rows, columns) < 1:
        raise ValueError(not_numeric)
    kind, data, _ = _read_element(array.content, array.start, order)
    if kind not in DTYPES_5 or len(data) != rows * columns * np.dtype(DTYPES_5[kind]).itemsize:
        raise ValueError(f"claims {rows} x {columns} samples, holds {len(data)} bytes of them; fetch it again")
    return np.frombuffer(data, order + DTYPES_5[kind]).reshape(rows, columns, order="F")


def _read_element(content: bytes, position: int, order: str) -> tuple[int, bytes, int]:
    """The type and the data of the element at ``position``, and the position of the next one."""
    if position + 8 > len(content):
        raise ValueError("ends too early; fetch it again")
    kind, size = np.frombuffer(content, f"{order}u4", 2, position).tolist()
    if kind >> 16:  # a short element: up to four bytes of data, in the second half of the eight
        kind, size, start, following = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        if size > 4:
            raise ValueError("is damaged; fetch it again")
    else:
        start = position + 8
        padding = 0 if kind == COMPRESSED else -size % 8
        following = start + size + padding
    if start + size > len(content):
        raise ValueError("ends too early; fetch it again")
    return kind, content[start : start + size], following


def _integer(content: bytes, order: str) -> int:
    return int.from_bytes(content, "little" if order == "<" else "big")
