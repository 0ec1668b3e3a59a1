"""Write a recording as the Challenge's two files: NAME.hea, a WFDB header, and NAME.mat, MATLAB v4. 1 count is 1 uV."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.errors import EntryError
from ecg.files import write_errors

SEX = {"female": "Female", "male": "Male", None: "Unknown"}


def new_folder(folder: Path) -> None:
    """Create ``folder``. Raises EntryError if it holds recordings or cannot be written."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(path.suffix in (".hea", ".mat") for path in folder.iterdir()):
            raise EntryError(f"{folder}: holds recordings already; give a new folder, or remove them")


def mat_content(counts: np.ndarray) -> bytes:
    """A MATLAB v4 file with one int16 matrix ``val``: type 30 (int16), rows, columns, not complex, length of the name.

    >>> mat_content(np.array([[1, -2]]))[-8:]
    b'val\\x00\\x01\\x00\\xfe\\xff'
    """
    integers = np.array([30, *counts.shape, 0, 4], "<i4")
    return integers.tobytes() + b"val\0" + counts.astype("<i2").tobytes(order="F")


def header_content(
    name: str,
    leads: Sequence[str],
    rate: float,
    counts: np.ndarray,
    comments: Mapping[str, str],
    baselines: np.ndarray | None = None,
) -> str:
    """The header of ``counts`` (leads, samples) at ``rate`` Hz. ``baselines`` are the counts at 0 mV, (leads,).

    Each signal line has the lead's first value and its checksum, the sum of the samples as int16.
    """
    checksums = counts.sum(axis=1, dtype=np.int64).astype(np.int16)  # the lowest 16 bits
    lines = [f"{name} {len(leads)} {rate:.12g} {counts.shape[1]}"]
    for row, (lead, first, checksum) in enumerate(zip(leads, counts[:, 0], checksums)):
        gain = "1000" if baselines is None or not baselines[row] else f"1000({baselines[row]:.0f})"
        lines.append(f"{name}.mat 16+24 {gain}/mV 16 0 {first} {checksum} 0 {lead}")
    lines += [f"#{key}: {value}" for key, value in comments.items()]
    return "\n".join(lines) + "\n"


def patient_facts(age: float | None, sex: str | None, diagnoses: Iterable[str]) -> dict[str, str]:
    """The Challenge's six header comments. ``age`` is in years; ``age`` and ``sex`` are None if unknown.

    >>> patient_facts(74, None, ["426783006", "39732003"])["Dx"]
    '426783006,39732003'
    """
    return {
        "Age": "NaN" if age is None else f"{age:g}",
        "Sex": SEX[sex],
        "Dx": ",".join(diagnoses),
        "Rx": "Unknown",
        "Hx": "Unknown",
        "Sx": "Unknown",
    }
