"""Files that are written whole or not at all: under a temporary name, flushed to the disk, then renamed."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ecg.errors import EntryError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says against writing ``path`` - no space, no permission, no such folder - as an EntryError."""
    try:
        yield
    except OSError as error:
        raise EntryError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls ``write`` with a temporary name in ``path``'s folder; the result replaces ``path`` in one step.

    EntryError where it cannot be written; what was at ``path`` is then still there.
    """
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}")  # a name can't be longer than the longest
    with writing(path):
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
    """In UTF-8; what came from a file's name that is none is written as it was."""
    write_whole(path, lambda temporary: temporary.write_bytes(text.encode("utf-8", "surrogateescape")))


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
