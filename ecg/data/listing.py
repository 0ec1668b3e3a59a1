"""The recordings in a folder: find their headers or files of other formats, and see size and age of the signals."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ecg.data.formats.opening import FORMATS, SUFFIXES, find_format, is_recording, recording_name
from ecg.data.header import read_header
from ecg.errors import EntryError, RecordError

SIGNALS = (".mat", ".dat")
COMPRESSED = (".gz", ".zip", ".xz", ".bz2", ".7z", ".zst")
SYSTEM_FOLDERS = ("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir", "#recycle")
PART = re.compile(r"_(\d+|layout)$")  # the end of the name of a recording's part
WFDB_PART = re.compile(r"_(\d{4}|layout)$")  # as the WFDB's own programs name them


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

    headers: dict[str, str] = {}  # paths of files by themselves without suffix: strings, as there may be millions
    signals: dict[str, str] = {}
    others: dict[str, str] = {}
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
        inside = os.path.join(place, "")
        for file in sorted(files):
            if file[0] == ".":
                continue
            name, suffix = os.path.splitext(file)
            path, stem, suffix = inside + file, inside + name, suffix.lower()
            if suffix == ".hea":
                headers[stem] = path
            elif suffix in SIGNALS:
                signals[stem] = path
            elif suffix in COMPRESSED and Path(stem).suffix.lower() in (".hea", *SIGNALS, *filter(None, FORMATS)):
                refuse_or_raise(f"{path}: is compressed; unpack it")
            elif not headers_only and is_recording(Path(path)):
                others[path] = path
            elif not suffix and os.path.islink(path) and not os.path.exists(path):
                refuse_or_raise(f"{path}: is a link to nothing")
    parts = _parts(headers)
    recordings: dict[str, str] = {}
    named = [(stem.rpartition(os.sep)[2], path) for stem, path in headers.items() if stem not in parts]
    for name, path in [*named, *((recording_name(path), path) for path in others)]:
        if recordings.setdefault(name, path) is not path:
            refuse_or_raise(f"{path}: {recordings[name]} has the same name; rename or remove one of them")
    if not headers_only:
        for stem, path in _without_header(signals, headers, others, parts).items():
            known = recordings.setdefault(os.path.basename(stem), f"{stem}.hea")
            if os.path.dirname(known) != os.path.dirname(path):
                refuse_or_raise(f"{path}: has no header beside it, and the name of {known}")
    if not recordings:
        wanted = "no .hea file" if headers_only else f"no .hea file, nor {SUFFIXES}"
        raise EntryError(f"{folder}: no recording in it ({wanted}); give the folder that holds the recordings")
    return [Path(recordings[name]) for name in sorted(recordings)]


def _parts(headers: Mapping[str, str]) -> set[str]:
    """The paths, without suffix, of the headers that are parts of others: A1_0001 is, if a header lists it.

    Read is A1.hea, and if it does not list A1_0001, the headers beside that and in the folder above.
    """
    candidates = [stem for stem in headers if PART.search(stem)]
    parts: set[str] = set()
    for whole in {stem.rpartition("_")[0] for stem in candidates} & headers.keys():
        parts |= _parts_of(headers[whole])
    folders = {os.path.dirname(stem) for stem in candidates if stem not in parts and WFDB_PART.search(stem)}
    folders |= {os.path.dirname(folder) for folder in folders}
    if folders:
        for stem, header in headers.items():
            if os.path.dirname(stem) in folders and not PART.search(stem):
                parts |= _parts_of(header)
    return parts


def _parts_of(header: str) -> set[str]:
    inside = os.path.join(os.path.dirname(header), "")
    return {inside + os.path.normpath(name) for name in segment_names(Path(header))}


def _without_header(
    signals: Mapping[str, str], headers: Mapping[str, str], others: Iterable[str], parts: set[str]
) -> dict[str, str]:
    """The ``signals`` that no header beside them or above them has, by its own name or in its signal lines."""
    beside_others = {os.path.splitext(path)[0] for path in others}
    alone = {
        stem: path
        for stem, path in signals.items()
        if stem not in headers and stem not in beside_others and stem not in parts
    }
    folders = {os.path.dirname(stem) for stem in alone}
    folders |= {os.path.dirname(folder) for folder in folders}
    if folders:
        for stem, header in headers.items():
            inside = os.path.dirname(stem)
            if inside in folders:
                with suppress(RecordError):
                    for signal in read_header(header).signals:
                        alone.pop(os.path.join(inside, os.path.splitext(os.path.normpath(signal.file))[0]), None)
    return alone


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
