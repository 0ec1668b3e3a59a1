"""A folder of recordings, decoded once: every recording as the network sees it, in one memory-mapped int16 file.

``signals.i16`` holds the recordings one after another, each (12, samples) at the network's rate; ``rows.bin`` has a
row a recording, ``names.jsonl`` its name, and ``index.json``, written last, says what they were made of. While it is
built, a worker has one recording in memory, so a folder may be of any size. Behind the folder's there can be simulated
recordings, made on the way, which were never files. The store belongs to one training: it is made in the model folder
(the data folder may be read-only), used again if that training is started again, and removed with its end, because it
holds patients' data and a model folder is given away.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

import joblib
import numpy as np

from ecg import progress
from ecg.classes import Weights
from ecg.data import preprocessing
from ecg.data.header import Header
from ecg.data.listing import signal_size
from ecg.data.record import LEADS, read_record
from ecg.errors import EntryError, RecordError, as_record_error
from ecg.files import write_errors, write_json
from ecg.recipe import Recipe
from ecg.simulation.dataset import simulated_record

# Raised whenever the files, the numbers that preprocessing gives or the simulated recordings change: older stores are
# built again, and older trainings and validations are not gone on with.
FORMAT = 7
FILES = ("signals.i16", "rows.bin", "names.jsonl")
FEW = 64  # recordings that are decoded before other processes would have started
LIKE_A_FILE = 1 << 18  # bytes that a simulated recording counts for: it takes a while to be made
TASK = 4 << 20  # bytes of signal files that a worker decodes before it hands them over


class Store:
    """The recordings of a training; each array has one entry a recording."""

    signals: np.ndarray  # int16, mapped: the recordings one after another, each (12, length)
    lengths: np.ndarray  # int64, in samples
    demographics: np.ndarray  # float32 (recordings, 5)
    labels: np.ndarray  # boolean (recordings, classes)
    sources: np.ndarray  # str
    simulated: np.ndarray  # boolean

    def __init__(self, folder: Path, sources: Sequence[str], classes: int, fingerprint: str):
        rows = np.fromfile(folder / "rows.bin", row_type(classes))
        self.lengths, self.demographics, self.labels, self.simulated = (
            np.ascontiguousarray(rows[column]) for column in ("length", "demographics", "labels", "simulated")
        )
        self.sources = np.array(sources, object)[rows["source"]]
        self.fingerprint = fingerprint
        self._names = folder / "names.jsonl"
        # mode "c": nothing is written, but PyTorch warns of memory that cannot be
        self.signals = np.memmap(folder / "signals.i16", np.int16, mode="c")

    def __len__(self) -> int:
        return len(self.lengths)

    def names(self) -> Iterator[str]:
        with open(self._names, encoding="utf-8") as file:
            yield from map(json.loads, file)


def row_type(classes: int) -> np.dtype:
    columns = [("length", "<i8"), ("source", "<i4"), ("demographics", "<f4", 5), ("labels", "?", classes)]
    return np.dtype([*columns, ("simulated", "?")])


def open_store(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe, simulated: int = 0) -> Store:
    """The store of the recordings ``headers`` that carry a scored label, as the recipe wants them, in ``folder``.

    Behind them are ``simulated`` ones, made from the recipe's seed.

    Built if it is not there or if a recording or the preprocessing has changed. A recording that cannot be read is
    named and left out, and so are, as published, those without a scored label. EntryError where none is left.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    made_of = {
        "fingerprint": fingerprint(headers, weights, recipe),
        "simulated": [simulated, recipe.seed if simulated else 0],
    }
    index = folder / "index.json"
    try:
        found = json.loads(index.read_text())
    except (OSError, ValueError):
        found = {}
    # its removal may have been cut short when the index was still there
    if found | made_of != found or not all((folder / name).exists() for name in FILES):
        with write_errors(folder):
            shutil.rmtree(folder)
            folder.mkdir()
            found = made_of | {"sources": _build(headers, folder, weights, recipe, simulated)}
        write_json(index, found)
    return Store(folder, found["sources"], len(weights.classes), found["fingerprint"])


def fingerprint(headers: Sequence[Path], weights: Weights, recipe: Recipe) -> str:
    """Changes with any file of the recordings, the classes and the preprocessing."""
    digest = hashlib.sha256(repr((FORMAT, recipe.rate, recipe.resampling, recipe.trim, weights.classes)).encode())
    for header in headers:
        for path in (header, *(header.with_suffix(suffix) for suffix in (".mat", ".dat"))):
            try:
                status = path.stat()
                digest.update(os.fsencode(path.name) + f":{status.st_size}:{status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(os.fsencode(path.name) + b":absent\n")
    return digest.hexdigest()


class Simulated(NamedTuple):
    """A recording that is no file yet."""

    seed: int
    index: int

    def __str__(self) -> str:
        return f"simulated recording {self.index} of seed {self.seed}"


Entry = Path | Simulated


class Decoded(NamedTuple):
    """What a worker knows of a recording whose signal it has written."""

    header: Header
    labels: np.ndarray
    length: int


def _build(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe, simulated: int) -> list[str]:
    """Writes the store's files but the index; the sources of its recordings."""
    sources: dict[str, int] = {}
    entries = [*headers, *(Simulated(recipe.seed, index) for index in range(simulated))]
    scored, unscored, unreadable = 0, 0, 0
    row = np.zeros((), row_type(len(weights.classes)))
    with ExitStack() as stack:
        opened = [stack.enter_context(open(folder / name, "wb")) for name in FILES]
        signal_file, row_file, name_file = opened
        decoded = progress.bar(
            _decode_all(entries, signal_file, folder, weights, recipe), len(entries), "reading", "recordings"
        )
        for entry, found in zip(entries, decoded):
            if isinstance(found, RecordError):
                unreadable += 1
                progress.print_line(f"left out: {found}")
            elif found is None:
                unscored += 1
            else:
                scored += isinstance(entry, Path)
                header, row["labels"], row["length"] = found
                row["source"] = sources.setdefault(header.source, len(sources))
                row["simulated"] = isinstance(entry, Simulated)
                row["demographics"] = preprocessing.demographics(header.age, header.sex)
                row_file.write(row.tobytes())  # NumPy's tofile does not notice a full disk
                name_file.write(json.dumps(header.name).encode() + b"\n")
        for file in opened:
            file.flush()
            os.fsync(file.fileno())
        samples = np.fromfile(folder / "rows.bin", row.dtype)["length"].sum()
        if os.path.getsize(folder / "signals.i16") != 2 * len(LEADS) * samples:
            raise EntryError(f"{folder}: was changed by another process while it was written; start again")
    progress.print_line(
        f"{scored} recordings to learn from, {unscored} without a scored label, {unreadable} unreadable"
    )
    if simulated:
        progress.print_line(f"and {simulated} simulated ones")
    if not scored:
        raise EntryError(f"{headers[0].parent}: no recording with a scored label; is it a training folder?")
    return list(sources)


def _decode_all(
    entries: Sequence[Entry], signal_file: BinaryIO, folder: Path, weights: Weights, recipe: Recipe
) -> Iterator[Decoded | RecordError | None]:
    """The recordings in their order, as ``_decode`` has them, in several processes; their signals to ``signal_file``.

    A worker's signals come in a file of its own in ``folder``: twice as fast as through a pipe, and not in memory.
    """
    tasks = list(_grouped(entries, TASK))
    # of this process alone: the workers of one that was killed may still be writing theirs
    parts = [folder / f"part-{os.getpid()}-{number}.i16" for number in range(len(tasks))]
    workers = joblib.Parallel(-1 if len(entries) > FEW else 1, return_as="generator")
    decoded = workers(joblib.delayed(_decode_task)(*task, weights, recipe) for task in zip(tasks, parts))
    for part, of_task in zip(parts, decoded):
        with open(part, "rb") as file:
            shutil.copyfileobj(file, signal_file, 1 << 20)
        part.unlink()
        yield from of_task


def _grouped(entries: Sequence[Entry], limit: int) -> Iterator[list[Entry]]:
    """``entries`` in turn, in groups whose signal files have at most ``limit`` bytes together, or are one."""
    group, size = [], 0
    for entry in entries:
        more = LIKE_A_FILE if isinstance(entry, Simulated) else signal_size(entry)
        if group and size + more > limit:
            yield group
            group, size = [], 0
        group.append(entry)
        size += more
    yield group


def _decode_task(entries: Sequence[Entry], part: Path, weights: Weights, recipe: Recipe) -> list:
    with open(part, "wb") as file:
        return [_decode(entry, file, weights, recipe) for entry in entries]


def _decode(entry: Entry, file: BinaryIO, weights: Weights, recipe: Recipe) -> Decoded | RecordError | None:
    """Writes the recording's signal to ``file``, unless it cannot be read, or has no scored label (None)."""
    try:
        record = simulated_record(*entry) if isinstance(entry, Simulated) else read_record(entry)
        labels = weights.encode(record.header.diagnoses)
        if not labels.any():
            return None
        counts = np.ascontiguousarray(preprocessing.network_signal(record.counts, record.header.rate, recipe))
    except Exception as error:  # whatever is wrong with this recording, the others are still to be read
        return as_record_error(error, entry)
    file.write(counts)
    return Decoded(record.header, labels, counts.shape[1])
