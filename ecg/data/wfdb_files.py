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
PADDING = 4096  # bytes; a file that is longer by no more is padded
SMOOTHER = 0.5  # other signals follow each other so much more smoothly if they are the file's
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
        if signal.file not in lengths:  # all signals of a file have one format
            together = [one for one, of in zip(header.signal_lines, header.signals) if of.file == signal.file]
            in_frame = sum(samples_per_frame(one.split()[1]) for one in together) * BYTES.get(form.group(1), 0)
            offset = int(form.group(3) or 0)
            held = (files[signal.file].stat().st_size - offset) / in_frame if in_frame else float(frames)
            excess = in_frame * (held - frames)
            if frames and excess > PADDING and form.group(1) in ("16", "160"):
                require_layout(files[signal.file], offset, held, frames, len(together))
            if held < frames or excess > PADDING:
                claimed = ""
            lengths[signal.file] = int(held) if excess > PADDING else min(int(held), frames or int(held))
        first = tokens[5] if form.group(1) == "8" and len(tokens) > 5 else "0"  # format 8 holds differences
        scale = f"{signal.gain!r}({signal.baseline:.0f})/mV"
        lines.append(f"{names[signal.file]} {tokens[1]} {scale} 16 0 {first} 0 0 l{number}")
    if len(set(lengths.values())) > 1:
        shortest = min(lengths, key=lambda name: lengths[name])
        raise ValueError(f"{shortest} is shorter than the other signal files")
    return "\n".join([f"r {len(lines)} {header.rate / header.frame!r} {claimed}".rstrip(), *lines, ""])


def require_layout(file: Path, offset: int, held: float, frames: int, signals: int) -> None:
    """Raises ValueError if a 16-bit file holds more signals than the header describes: all leads would be mixtures.

    ``held`` and ``frames`` are the frames that it holds, by the header's ``signals``, and those that the header claims.
    If the file has room for a whole number of other signals, they decide whose samples follow each other smoothly.
    """
    other = held * signals / frames
    if not other.is_integer() or other > max(MOST_SIGNALS, 2 * signals):
        return
    values = np.fromfile(file, "<i2", 200_000, offset=offset).astype(float)

    def roughness(columns: int) -> float:
        rows = values[: len(values) // columns * columns].reshape(-1, columns)
        return float(np.abs(np.diff(rows, axis=0)).mean()) if len(rows) > 1 else 0.0

    if roughness(int(other)) < SMOOTHER * roughness(signals):
        raise ValueError(
            f"{file.name} holds {other:g} signals of {frames:,} samples, the header describes {signals}; correct it"
        )
