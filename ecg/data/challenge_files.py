"""A recording as the Challenge's two files: NAME.hea, a WFDB header, and NAME.mat, MATLAB v4; 1 count = 1 uV."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.errors import EntryError
from ecg.files import write_errors

SEX = {"female": "Female", "male": "Male", None: "Unknown"}


def new_folder(folder: Path) -> None:
    """Makes ``folder``; EntryError where it holds recordings or can't be written."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(path.suffix in (".hea", ".mat") for path in folder.iterdir()):
            raise EntryError(f"{folder}: holds recordings already; give a new folder, or remove them")


def mat_content(counts: np.ndarray) -> bytes:
    """A MATLAB v4 file with one matrix ``val``: type 30 (little-endian int16), rows, columns, not complex, name."""
    form = np.array([30, *counts.shape, 0, 4], "<i4")
    return form.tobytes() + b"val\0" + counts.astype("<i2").tobytes(order="F")


def header_content(name: str, leads: Sequence[str], rate: float, counts: np.ndarray, facts: Mapping[str, str]) -> str:
    """The header of ``counts`` (leads, samples) at ``rate`` Hz, ``facts`` its comments.

    Each lead has its first value and its checksum, the sum as int16.
    """
    checksums = counts.sum(axis=1, dtype=np.int64).astype(np.int16)  # the lowest 16 bits
    return "\n".join(
        [
            f"{name} {len(leads)} {rate:.12g} {counts.shape[1]}",
            *(
                f"{name}.mat 16+24 1000/mV 16 0 {first} {checksum} 0 {lead}"
                for lead, first, checksum in zip(leads, counts[:, 0], checksums)
            ),
            *(f"#{key}: {value}" for key, value in facts.items()),
            "",
        ]
    )


def patient_facts(age: float | None, sex: str | None, diagnoses: Iterable[str]) -> dict[str, str]:
    """The Challenge's six comments; ``age`` in years and ``sex`` None where unknown, ``diagnoses`` as codes."""
    return {
        "Age": "NaN" if age is None else f"{age:g}",
        "Sex": SEX[sex],
        "Dx": ",".join(diagnoses),
        "Rx": "Unknown",
        "Hx": "Unknown",
        "Sx": "Unknown",
    }
