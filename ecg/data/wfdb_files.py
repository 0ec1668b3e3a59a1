"""Signal files that wfdb reads: any format but MATLAB's.

wfdb is strict about headers: it refuses dates in other forms, names with blanks, dots or brackets, and signals shorter
than claimed. So it reads a clean header, written to a temporary folder, that links to the signal files.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecg.data.header import Header, samples_per_frame
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
MOST_SIGNALS = 16  # 12 leads and what recorders add
LARGEST_SIGNAL = 5 << 30  # bytes: 24 hours at 2000 Hz


def read_by_wfdb(path: Path, header: Header, files: Mapping[str, Path]) -> np.ndarray:
    """The counts (leads, samples) of the recording whose ``header`` is at ``path``; missing samples are INVALID.

    ``files`` has the signal file of each name in the header. Signals that have other samples per frame than the leads
    are repeated or thinned to the leads' rate. Raises RecordError if wfdb cannot read it.
    """
    if 2 * len(header.signals) * (header.samples or 0) > LARGEST_SIGNAL:
        raise RecordError(f"{path}: claims {header.samples:,} samples, more than any such file")
    import wfdb

    framed = any(samples_per_frame(line.split()[1]) > 1 for line in header.signal_lines)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = {file: f"s{number}.dat" for number, file in enumerate(files)}
        for file, target in files.items():
            _link(target, folder / names[file])
        try:
            (folder / "r.hea").write_text(_clean_header(header, names, files))
            read = wfdb.rdrecord(str(folder / "r"), physical=False, smooth_frames=not framed)
        except Exception as error:  # wfdb raises errors of many types
            reason = re.sub(re.escape(f"{folder}/") + r"?", "", str(error))
            raise RecordError(f"{path}: its signal cannot be read ({reason})") from error
    signal = np.asarray(read.d_signal).T if not framed else _at_the_leads_rate(read, header.frame)
    marks = np.array([INVALID_IN_FORMAT.get(form, INVALID) for form in read.fmt])
    return np.where(signal == marks[:, np.newaxis], INVALID, signal)


def _at_the_leads_rate(read: Any, frame: int) -> np.ndarray:
    samples = np.arange(read.sig_len * frame)
    return np.array([one[samples * own // frame] for one, own in zip(read.e_d_signal, read.samps_per_frame)])


def _link(file: Path, link: Path) -> None:
    try:
        link.symlink_to(file.resolve())
    except OSError:  # a system without links
        shutil.copyfile(file, link)


def _clean_header(header: Header, names: Mapping[str, str], files: Mapping[str, Path]) -> str:
    """A header that wfdb reads, with ``names`` for the signal files. A file shorter than claimed is read to its end."""
    frames = (header.samples or 0) // header.frame
    claimed, lines = str(frames or ""), []
    lengths: dict[str, int] = {}  # in frames, by file
    for number, (line, signal) in enumerate(zip(header.signal_lines, header.signals)):
        tokens = line.split()
        form = FORMAT.fullmatch(tokens[1])
        if form is None:
            raise ValueError(f"format {tokens[1]!r}")
        together = [one for one, of in zip(header.signal_lines, header.signals) if of.file == signal.file]
        in_frame = sum(samples_per_frame(one.split()[1]) for one in together) * BYTES.get(form.group(1), 0)
        held = (files[signal.file].stat().st_size - int(form.group(3) or 0)) / in_frame if in_frame else float(frames)
        require_layout(files[signal.file].name, held, frames, len(together))
        if int(held) != frames:
            claimed = ""
        lengths[signal.file] = int(held)
        first = tokens[5] if form.group(1) == "8" and len(tokens) > 5 else "0"  # format 8 holds differences
        scale = f"{signal.gain!r}({signal.baseline:.0f})/mV"
        lines.append(f"{names[signal.file]} {tokens[1]} {scale} 16 0 {first} 0 0 l{number}")
    if len(set(lengths.values())) > 1:
        shortest = min(lengths, key=lambda name: lengths[name])
        raise ValueError(f"{shortest} is shorter than the other signal files")
    return "\n".join([f"r {len(lines)} {header.rate / header.frame!r} {claimed}".rstrip(), *lines, ""])


def require_layout(file: str, held: float, frames: int, signals: int) -> None:
    """Raises ValueError if ``file`` holds other signals than the header describes: then every lead would be a mixture.

    ``held`` and ``frames`` are the frames that it holds, by the header's ``signals``, and those that the header claims.
    A file that is only longer or shorter than claimed is none of this.
    """
    other = held * signals / frames if frames else 0.0
    if other > signals and other.is_integer() and (other <= MOST_SIGNALS or other == 2 * signals):
        says = f"holds {other:g} signals of {frames:,} samples" + " (or wider ones)" * (other == 2 * signals)
        raise ValueError(f"{file} {says}, the header describes {signals}; correct the header")
    if not frames and not held.is_integer():
        raise ValueError(f"{file} holds no whole number of samples of {signals} signals; correct the header")
