"""Files: written whole or not at all (temporary name, flush, rename), and read with limits."""

import codecs
import csv
import errno
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from threading import get_native_id
from typing import Any

import numpy as np

from ecg.errors import EntryError, RecordError

LARGEST_TABLE = 1 << 30  # bytes
LARGEST_TEXT = 10 << 20  # bytes
SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?[;,\t ]*\r?\n', re.IGNORECASE)
NON_BLOCKING = getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for its other end


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing ``path`` (no space, no permission, no such folder) into an EntryError."""
    try:
        yield
    except OSError as error:
        raise EntryError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Call ``write`` with a temporary name in ``path``'s folder, then replace ``path`` in one step.

    Raises EntryError if the file cannot be written; an earlier file at ``path`` then stays.
    """
    temporary = path.with_name(f".{path.name[:40]}.{get_native_id()}")  # shorter than the longest possible name
    with write_errors(path):
        try:
            write(temporary)
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8. Bytes of file names that are not UTF-8 are written unchanged."""
    write_whole(path, lambda temporary: temporary.write_bytes(text.encode("utf-8", "surrogateescape")))


def write_csv(path: Path, rows: Iterable[Iterable]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed .npz."""

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as opened:  # NumPy would add a suffix to a name
            np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]  # NumPy's stub has one name for two things

    write_whole(path, write)


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def is_inside(name: str) -> bool:
    """Whether a stranger's relative path stays below the folder that it is joined to, on any system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    absolute = posix.root or windows.root or windows.drive
    return bool(posix.name and name.isprintable() and not absolute and ".." not in posix.parts + windows.parts)


def decode_text(content: bytes) -> str:
    """``content`` as text: UTF-8, with or without a byte-order mark, UTF-16 with one, or else Latin-1."""
    # UTF-16 of these texts has zero bytes. Without them, the first bytes are those of a name in Latin-1.
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and b"\0" in content:
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_text(path: str | os.PathLike) -> str:
    """A text file as ``decode_text`` has it; RecordError if it cannot be read."""
    return decode_text(read_bytes(path, LARGEST_TEXT))


def read_csv(path: str | os.PathLike, largest: int = LARGEST_TABLE, separators: str = ",") -> list[list[str]]:
    """The rows of a csv; RecordError if it cannot be read, is larger than ``largest`` bytes, or is not a csv.

    The first of the ``separators`` that is in its first line separates its cells, or the one that a line before it
    names, as spreadsheets write it: ``sep=;``.
    """
    text = decode_text(read_bytes(path, largest))
    named = SEPARATOR_LINE.match(text)
    text = text[named.end() :] if named else text
    first_line = named[1] if named else text.lstrip().partition("\n")[0]
    separator = next((one for one in separators if one in first_line), separators[0])
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise RecordError(f"{path}: is not a csv ({error})") from error


def read_cells(path: str | os.PathLike, largest: int = LARGEST_TABLE, separators: str = ",") -> list[list[str]]:
    """``read_csv`` as people fill in a table: cells without blanks around them, no empty rows or last columns."""
    rows = [[cell.strip() for cell in row] for row in read_csv(path, largest, separators)]
    rows = [row for row in rows if any(row)]
    width = max((column for row in rows for column, cell in enumerate(row, 1) if cell), default=0)
    return [row[:width] for row in rows]


def file_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a table's content; EntryError if it cannot be read."""
    return hashlib.sha256(read_bytes(path, LARGEST_TABLE)).hexdigest()


def read_bytes(path: str | os.PathLike, largest: int) -> bytes:
    """A file's content; RecordError if it cannot be read, is larger than ``largest`` bytes, or is a device.

    It opens no file object, which for a text of a kilobyte would take as long as the reading.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | NON_BLOCKING)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(status.st_mode):
                raise RecordError(f"{path}: is not an ordinary file")
            if status.st_size > largest:
                raise RecordError(f"{path}: has {status.st_size:,} bytes, more than any such file ({largest:,})")
            return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from error
