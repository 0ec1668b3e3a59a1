"""Simulated recordings as files: a folder like those of the Challenge."""

import os
from pathlib import Path

import numpy as np

from ecg.classes import ABBREVIATIONS
from ecg.data.challenge_files import header_content, mat_content, new_folder, patient_facts
from ecg.data.header import parse_header
from ecg.data.record import LEADS, Record, make_record
from ecg.errors import EntryError
from ecg.files import write_errors, write_text
from ecg.progress import bar
from ecg.simulation.cases import SOURCES, Case, classes, draw_case
from ecg.simulation.population import PATIENTS, TEXTBOOK, Population
from ecg.simulation.signal import recording

ABOUT = """The recordings in this folder are simulated. They are of no patient and are no evidence about any disease.

Made by:  python tools/simulate.py FOLDER --records {records} --seed {seed}

The same numbers make the same files, to the byte; a greater number of records adds some and changes none.
Each recording is a header (.hea, text) and its signal (.mat, MATLAB v4, int16, 12 leads, 1 count = 1 uV).
"""
TO_LEARN_FROM = 20201  # a stream of random numbers of their own


def simulate(folder: str | os.PathLike, records: int, seed: int = 0) -> list[Path]:
    """Writes ``records`` recordings and a README.txt into ``folder``, which is made; returns the headers' paths.

    Recording i depends on ``seed`` and i alone. EntryError where the folder holds recordings or can't be written.
    """
    folder = Path(folder)
    if records < 1 or seed < 0:
        raise EntryError(f"{records} records with seed {seed}: records must be 1 or more, the seed 0 or more")
    new_folder(folder)
    with write_errors(folder):
        write_text(folder / "README.txt", ABOUT.format(records=records, seed=seed))
        return [write_record(folder, seed, index) for index in bar(range(records), records, "simulating", "records")]


def write_record(folder: Path, seed: int, index: int) -> Path:
    """Recording ``index`` of ``seed``, its signal first, so that no header stands without one."""
    name, case, counts = draw(index, TEXTBOOK, np.random.default_rng([seed, index]))
    (folder / f"{name}.mat").write_bytes(mat_content(counts))
    path = folder / f"{name}.hea"
    path.write_bytes(header_text(name, case, counts).encode("ascii"))
    return path


def draw(index: int, population: Population, rng: np.random.Generator) -> tuple[str, Case, np.ndarray]:
    """The name, the case and the counts, int16 (12, samples), of recording ``index``, all else from ``rng``."""
    case = draw_case(index, rng)
    counts = recording(case.labels, case.age, case.sex, case.rate, case.seconds, rng, population=population)
    return f"{case.source}{index + 1:0{SOURCES[case.source].digits}d}", case, counts


def simulated_record(seed: int, index: int) -> Record:
    """Recording ``index`` of ``seed`` as if it had been read: a patient's, to learn from; ``simulate``'s are others."""
    population = PATIENTS[index // len(classes()) % len(PATIENTS)]  # each has every class in its turn
    name, case, counts = draw(index, population, np.random.default_rng([seed, index, TO_LEARN_FROM]))
    return make_record(parse_header(header_text(name, case, counts)), counts)


def header_text(name: str, case: Case, counts: np.ndarray) -> str:
    """The header of ``counts`` (12, samples)."""
    codes = {abbreviation: code for code, abbreviation in ABBREVIATIONS.items()}
    facts = patient_facts(case.age, case.sex, (codes[label] for label in case.labels))
    return header_content(name, LEADS, case.rate, counts, facts | {"Simulated": "yes"})
