"""Signal files that wfdb reads: any format but MATLAB's.

wfdb is strict about headers: it refuses dates in other forms, names with blanks, dots or brackets, and signals shorter
than claimed. So it reads a clean header, written to a temporary folder, that links to the signal files.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np

from ecg.data.header import Header
from ecg.errors import RecordError

INVALID = -32768  # the WFDB's mark of a missing sample
INVALID_IN_FORMAT = {  # the same mark in the WFDB's other formats
    **dict.fromkeys(("80", "508"), -128),
    "212": -2048,
    "310": -512,
    "311": -512,
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}
BYTES = {"8": 1, "80": 1, "16": 2, "61": 2, "160": 2, "212": 1.5, "24": 3, "32": 4, "310": 4 / 3, "311": 4 / 3}
FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::\d+)?(?:\+(\d+))?")  # format, samples per frame, skew, offset in bytes
LARGEST_SIGNAL = 5 << 30  # bytes: 24 hours at 2000 Hz


def read_by_wfdb(path: Path, header: Header) -> np.ndarray:
    """The counts (leads, samples) of the recording whose ``header`` is at ``path``; missing samples are INVALID.

    Only files beside the header are read. Raises RecordError if there is none, or wfdb cannot read it.
    """
    files = {file: _signal_file(path, file) for file in {signal.file for signal in header.signals}}
    if 2 * len(header.signals) * (header.samples or 0) > LARGEST_SIGNAL:
        raise RecordError(f"{path}: claims {header.samples:,} samples, more than any such file")
    import wfdb

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = {file: f"s{number}.dat" for number, file in enumerate(files)}
        for file, target in files.items():
            _link(target, folder / names[file])
        try:
            (folder / "r.hea").write_text(_clean_header(header, names, files))
            read = wfdb.rdrecord(str(folder / "r"), physical=False)
        except Exception as error:  # wfdb raises errors of many types
            reason = re.sub(re.escape(f"{folder}/") + r"?", "", str(error))
            raise RecordError(f"{path}: its signal cannot be read ({reason})") from error
    marks = np.array([INVALID_IN_FORMAT.get(form, INVALID) for form in read.fmt])
    signal = np.asarray(read.d_signal).T
    return np.where(signal == marks[:, np.newaxis], INVALID, signal)


def _signal_file(header: Path, name: str) -> Path:
    """The file that a header names; if it is missing, the one with the header's own name, as after renaming both."""
    if Path(name).name != name:
        raise RecordError(f"{header}: names a signal file outside its own folder; that is refused")
    for file in (header.parent / name, header.with_suffix(Path(name).suffix)):
        if os.path.isfile(file):  # unlike Path.is_file, it accepts a name of any length
            return file
    raise RecordError(f"{header}: there is no signal file {name:.100} beside it")


def _link(file: Path, link: Path) -> None:
    try:
        link.symlink_to(file.resolve())
    except OSError:  # a system without links
        shutil.copyfile(file, link)


def _clean_header(header: Header, names: dict[str, str], files: dict[str, Path]) -> str:
    """A header that wfdb reads, with ``names`` for the signal files. A file shorter than claimed is read to its end."""
    samples, lines = str(header.samples or ""), []
    for number, (line, signal) in enumerate(zip(header.signal_lines, header.signals)):
        tokens = line.split()
        form = FORMAT.fullmatch(tokens[1])
        if form is None:
            raise ValueError(f"format {tokens[1]!r}")
        together = [other for other in header.signals if other.file == signal.file]
        available = files[signal.file].stat().st_size - int(form.group(3) or 0)
        if available < BYTES.get(form.group(1), 0) * int(form.group(2) or 1) * len(together) * (header.samples or 0):
            samples = ""
        first = tokens[5] if form.group(1) == "8" and len(tokens) > 5 else "0"  # format 8 holds differences
        scale = f"{signal.gain!r}({signal.baseline:.0f})/mV"
        lines.append(f"{names[signal.file]} {tokens[1]} {scale} 16 0 {first} 0 0 l{number}")
    return "\n".join([f"r {len(lines)} {header.rate!r} {samples}".rstrip(), *lines, ""])
