"""The recordings in a folder: find their headers or files of other formats, and see size and age of the signals."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ecg.data.formats.opening import FORMATS, SUFFIXES, find_format, is_recording
from ecg.data.header import read_header
from ecg.errors import EntryError, RecordError


def find_recordings(
    folder: str | os.PathLike, headers_only: bool = False, refuse: Callable[[RecordError], None] | None = None
) -> list[Path]:
    """Find the headers of all recordings in ``folder`` and its subfolders, linked ones too.

    A recording of another format (``ecg.data.formats.opening``) is its own header. Suffixes may be in capitals. A
    folder that several links lead to is searched once, so a link to a folder above itself does no harm.

    Parameters
    ----------
    folder : path
        The folder of the recordings.
    headers_only : bool
        True: only ``.hea`` files, which hold labels. False: files of other formats too, and ``.mat`` files without a
        header, so that they can be reported later.
    refuse : callable, optional
        Called with a RecordError for each file or subfolder that cannot be used; the search continues. Such are a
        recording with the name of another one (outputs are named after recordings; a header goes before other
        formats) and a subfolder that cannot be listed. Without ``refuse`` they raise EntryError.

    Returns
    -------
    list of Path
        The header files, and files of other formats, sorted by name.

    Raises
    ------
    EntryError
        If the folder does not exist or holds no recording.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> (folder / "A0001.hea").touch()
    >>> [path.name for path in find_recordings(folder)]
    ['A0001.hea']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise EntryError(f"{folder}: no such folder; give the folder that holds the recordings")

    def refuse_or_raise(message: str) -> None:
        if refuse is None:
            raise EntryError(message)
        refuse(RecordError(message))

    headers: dict[str, Path] = {}
    signals: dict[str, str] = {}
    others: list[Path] = []
    visited: set[str] = set()
    for place, subfolders, files in os.walk(
        folder,
        onerror=lambda error: refuse_or_raise(f"{error.filename}: cannot be listed ({error.strerror})"),
        followlinks=True,
    ):
        if (real := os.path.realpath(place)) in visited:
            subfolders.clear()
            continue
        visited.add(real)
        subfolders.sort()
        inside = Path(place)
        for file in sorted(files):
            name, suffix = os.path.splitext(file)
            suffix = suffix.lower()
            if file.startswith("."):
                continue
            if suffix == ".mat":
                signals.setdefault(name, place)
            elif suffix == ".hea" and name in headers:
                refuse_or_raise(f"{inside / file}: {headers[name]} has the same name; rename or remove one of them")
            elif suffix == ".hea":
                headers[name] = inside / file
            elif suffix in FORMATS and not headers_only and is_recording(inside / file):
                others.append(inside / file)
    for name in _parts(headers):
        headers.pop(name, None)
        signals.pop(name, None)
    for path in others:
        if headers.setdefault(path.stem, path) is not path:
            refuse_or_raise(f"{path}: {headers[path.stem]} has the same name; rename or remove one of them")
    if not headers_only:
        headers |= {name: Path(place, f"{name}.hea") for name, place in signals.items() if name not in headers}
    if not headers:
        wanted = "no .hea file" if headers_only else f"no .hea file, nor {SUFFIXES}"
        raise EntryError(f"{folder}: no recording in it ({wanted}); give the folder that holds the recordings")
    return [headers[name] for name in sorted(headers)]


def _parts(headers: dict[str, Path]) -> set[str]:
    """The names of the headers that are parts of other recordings: A1_0001 is, if A1 lists it."""
    names: set[str] = set()
    for name, header in headers.items():
        whole = headers.get(name.rpartition("_")[0])
        if whole and whole.parent == header.parent and name not in names:
            names.update(segment_names(whole))
    return names


def segment_names(header: Path) -> tuple[str, ...]:
    """The names of the parts that ``header`` lists; empty for a recording in one part, or a header that is damaged."""
    try:
        return tuple(name for name, _ in read_header(header).segments)
    except RecordError:
        return ()


def recording_at(path: Path) -> Path:
    """What ``read_record`` takes, from any file of a recording: the header beside a signal, or another format's file.

    >>> [recording_at(Path(name)).name for name in ("A1.mat", "A1.hea", "A1.EDF", "A1")]
    ['A1.hea', 'A1.hea', 'A1.EDF', 'A1.hea']
    """
    is_whole = find_format(path) if path.suffix else is_recording(path)
    return path if is_whole else beside(path, ".hea")


def beside(path: str | os.PathLike, suffix: str) -> Path:
    """The file with the name of ``path`` and the ``suffix``: ".mat", or ".MAT" or ".Mat" if only that file exists.

    >>> beside("data/A0001.mat", ".hea").as_posix()
    'data/A0001.hea'
    """
    files = [Path(path).with_suffix(case) for case in (suffix, suffix.upper(), f".{suffix[1:].capitalize()}")]
    return next((file for file in files if file.exists()), files[0])


def signal_size(header: Path) -> int:
    """Size of a recording's signal file in bytes, 0 if it cannot be seen (the reader reports why)."""
    return max((status.st_size for status in _signal_files(header)), default=0)


def signal_changed_at(header: Path) -> int:
    """Modification time of a recording's signal file in ns, 0 if it cannot be seen."""
    return max((status.st_mtime_ns for status in _signal_files(header)), default=0)


def _signal_files(header: Path) -> Iterator[os.stat_result]:
    suffixes = (header.suffix,) if find_format(header) else (".mat", ".dat", ".MAT", ".DAT", ".Mat", ".Dat")
    for suffix in suffixes:
        with suppress(OSError):
            yield header.with_suffix(suffix).stat()
