"""The recordings in a folder: find their headers or files of other formats, and see size and age of the signals."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ecg.data.formats.opening import FORMATS, SUFFIXES, find_format, is_recording, recording_name
from ecg.data.header import read_header
from ecg.errors import EntryError, RecordError

SIGNALS = (".mat", ".dat")
COMPRESSED = (".gz", ".zip", ".xz", ".bz2", ".7z", ".zst")
SYSTEM_FOLDERS = ("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir", "#recycle")
PART = re.compile(r"_(\d+|layout)$")  # the end of the name of a recording's part


def find_recordings(
    folder: str | os.PathLike, headers_only: bool = False, refuse: Callable[[RecordError], None] | None = None
) -> list[Path]:
    """Find the headers of all recordings in ``folder`` and its subfolders, linked ones too.

    A recording of another format (``ecg.data.formats.opening``) is its own header. Suffixes may be in capitals. A
    folder that several links lead to is searched once, so a link to a folder above itself does no harm. Hidden files
    and folders, and those of operating systems (SYSTEM_FOLDERS), are not searched.

    Parameters
    ----------
    folder : path
        The folder of the recordings.
    headers_only : bool
        True: only ``.hea`` files, which hold labels. False: files of other formats too, and signal files without a
        header (``.mat``, ``.dat``), so that they can be reported later.
    refuse : callable, optional
        Called with a RecordError for each file or subfolder that cannot be used; the search continues. Such are a
        recording with the name of another one (outputs are named after recordings; a header goes before other
        formats), a compressed one, and a subfolder that cannot be listed. Without ``refuse`` they raise EntryError.

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

    headers: list[Path] = []
    signals: list[Path] = []
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
        subfolders[:] = sorted(name for name in subfolders if name[0] != "." and name not in SYSTEM_FOLDERS)
        inside = Path(place)
        for file in sorted(files):
            name, suffix = os.path.splitext(file)
            suffix = suffix.lower()
            if file.startswith("."):
                continue
            if suffix == ".hea":
                headers.append(inside / file)
            elif suffix in SIGNALS:
                signals.append(inside / file)
            elif suffix in COMPRESSED and Path(name).suffix.lower() in (".hea", *SIGNALS, *filter(None, FORMATS)):
                refuse_or_raise(f"{inside / file}: is compressed; unpack it")
            elif not headers_only and is_recording(inside / file):
                others.append(inside / file)
            elif not suffix and os.path.islink(inside / file) and not os.path.exists(inside / file):
                refuse_or_raise(f"{inside / file}: is a link to nothing")
    parts = _parts(headers)
    recordings: dict[str, Path] = {}
    for path in [*(header for header in headers if header.with_suffix("") not in parts), *others]:
        name = recording_name(path)
        if recordings.setdefault(name, path) is not path:
            refuse_or_raise(f"{path}: {recordings[name]} has the same name; rename or remove one of them")
    if not headers_only:
        for path in _without_header(signals, headers, others, parts):
            if recordings.setdefault(path.stem, path.with_suffix(".hea")).parent != path.parent:
                refuse_or_raise(f"{path}: has no header beside it, and the name of {recordings[path.stem]}")
    if not recordings:
        wanted = "no .hea file" if headers_only else f"no .hea file, nor {SUFFIXES}"
        raise EntryError(f"{folder}: no recording in it ({wanted}); give the folder that holds the recordings")
    return [recordings[name] for name in sorted(recordings)]


def _parts(headers: Sequence[Path]) -> set[Path]:
    """The paths, without suffix, of the headers that are parts of others: A1_0001 is, if a header lists it.

    Only headers beside the candidates or in the folder above are read, and only A1.hea if that lists them.
    """
    by_folder: dict[Path, dict[str, Path]] = {}
    for header in headers:
        by_folder.setdefault(header.parent, {})[header.stem] = header
    parts: set[Path] = set()

    def add_parts_of(whole: Path) -> None:
        parts.update(whole.parent / name for name in segment_names(whole))

    for folder, beside in by_folder.items():
        candidates = [name for name in beside if PART.search(name)]
        for whole in {name.rpartition("_")[0] for name in candidates} & beside.keys():
            add_parts_of(beside[whole])
        if any(folder / name not in parts for name in candidates):
            for name, header in [*beside.items(), *by_folder.get(folder.parent, {}).items()]:
                if not PART.search(name):
                    add_parts_of(header)
    return parts


def _without_header(
    signals: Sequence[Path], headers: Sequence[Path], others: Sequence[Path], parts: set[Path]
) -> list[Path]:
    """The ``signals`` that no header beside them names, by its own name or by its signal lines."""
    known = {path.with_suffix("") for path in (*headers, *others)} | parts
    alone = [path for path in signals if path.with_suffix("") not in known]
    folders, named = {path.parent for path in alone}, set()
    for header in headers:
        if header.parent in folders or header.parent in {folder.parent for folder in folders}:
            with suppress(RecordError):
                named |= {header.parent / signal.file for signal in read_header(header).signals}
    return [path for path in alone if path not in named]


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
    suffix = path.suffix[1:]
    is_whole = find_format(path) if suffix and not suffix.isdecimal() else is_recording(path)
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
