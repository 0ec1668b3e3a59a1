"""Simulated recordings as a folder of Challenge files, or as records to train on."""

import os
from pathlib import Path

import numpy as np

from ecg.classes import ABBREVIATIONS
from ecg.data.challenge_files import header_content, mat_content, new_folder, patient_facts
from ecg.data.header import parse_header
from ecg.data.lead_names import LEADS
from ecg.data.record import Record, make_record
from ecg.errors import EntryError
from ecg.files import write_errors, write_text
from ecg.progress import bar
from ecg.simulation.cases import SOURCES, Case, draw_case, scored_classes
from ecg.simulation.population import PATIENTS, TEXTBOOK, Population
from ecg.simulation.signal import simulate_signal

README = """These recordings are simulated. They depict no real person and are not evidence about any disease.

Made by:  python tools/simulate.py FOLDER --records {records} --seed {seed}

The same numbers give the same files, byte for byte. A larger number of records adds files and changes none.
Each recording is a header (.hea, text) and its signal (.mat, MATLAB v4, int16, 12 leads, 1 count = 1 uV).
"""
TRAINING_STREAM = 20201  # keeps the random numbers of records to train on apart from those of folders


def simulate_folder(folder: str | os.PathLike, records: int, seed: int = 0) -> list[Path]:
    """Write simulated recordings and a README.txt into a new folder.

    Parameters
    ----------
    folder : path
        The folder to create. It may exist if it holds no recordings.
    records : int
        Number of recordings.
    seed : int
        Recording i depends on the seed and i alone.

    Returns
    -------
    list of Path
        The header files.

    Raises
    ------
    EntryError
        If a number is out of range, or the folder holds recordings or cannot be written.
    """
    folder = Path(folder)
    if records < 1 or seed < 0:
        raise EntryError(f"{records} records with seed {seed}: records must be 1 or more, the seed 0 or more")
    new_folder(folder)
    with write_errors(folder):
        write_text(folder / "README.txt", README.format(records=records, seed=seed))
        return [
            _write_recording(folder, seed, index) for index in bar(range(records), records, "simulating", "records")
        ]


def _write_recording(folder: Path, seed: int, index: int) -> Path:
    """Write one recording and return its header. The signal comes first: no header is ever without a signal."""
    name, case, counts = draw_recording(index, TEXTBOOK, np.random.default_rng([seed, index]))
    (folder / f"{name}.mat").write_bytes(mat_content(counts))
    header = folder / f"{name}.hea"
    header.write_bytes(header_text(name, case, counts).encode("ascii"))
    return header


def draw_recording(index: int, population: Population, rng: np.random.Generator) -> tuple[str, Case, np.ndarray]:
    """The name, case and int16 counts (12, samples) of recording ``index``."""
    case = draw_case(index, rng)
    counts = simulate_signal(case.labels, case.age, case.sex, case.rate, case.seconds, rng, population=population)
    return f"{case.source}{index + 1:0{SOURCES[case.source].digits}d}", case, counts


def simulated_record(seed: int, index: int) -> Record:
    """Simulated record ``index`` of ``seed``, to train on. ``simulate_folder`` writes other recordings.

    >>> record = simulated_record(seed=0, index=5)
    >>> record.header.name, record.counts.shape
    ('HR00006', (12, 5000))
    """
    # The populations alternate every 24 records, because the 24 classes take turns in draw_label_set.
    population = PATIENTS[index // len(scored_classes()) % len(PATIENTS)]
    name, case, counts = draw_recording(index, population, np.random.default_rng([seed, index, TRAINING_STREAM]))
    return make_record(parse_header(header_text(name, case, counts)), counts)


def header_text(name: str, case: Case, counts: np.ndarray) -> str:
    """The text of the header file of ``counts`` (12, samples)."""
    codes = {abbreviation: code for code, abbreviation in ABBREVIATIONS.items()}
    facts = patient_facts(case.age, case.sex, (codes[label] for label in case.labels))
    return header_content(name, LEADS, case.rate, counts, facts | {"Simulated": "yes"})
