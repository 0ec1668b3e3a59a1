"""The store: a folder's recordings, decoded once into one memory-mapped int16 file at the network's rate.

``signals.i16`` holds the recordings one after another, each (12, samples); ``rows.bin`` has one row per recording,
``names.jsonl`` its name, and ``index.json``, written last, says what the store was made from. Simulated recordings can
follow those of the folder. Each worker holds one recording in memory, so the folder may have any size.

The store belongs to one training. It lies in the model folder, because the data folder may be read-only. A resumed
training uses it again, and the training removes it at the end, because it holds patients' data and a model folder is
given away.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ecg import progress
from ecg.classes import Weights
from ecg.data import preprocessing
from ecg.data.comments import format_not_understood
from ecg.data.header import Header
from ecg.data.lead_names import LEADS
from ecg.data.listing import signal_size
from ecg.data.record import read_record, signal_digest
from ecg.data.signal_check import require_ecg
from ecg.errors import EntryError, RecordError, as_record_error
from ecg.files import write_errors, write_json
from ecg.recipe import Recipe
from ecg.simulation.dataset import simulated_record

# Raise it if the files, the results of preprocessing or the simulated recordings change. Older stores are then built
# again, and older trainings and validations are not resumed.
STORE_FORMAT = 8
FILES = ("signals.i16", "rows.bin", "names.jsonl")
FEW = 64  # so few recordings are decoded before other processes would have started
SIMULATED_SIZE = 1 << 18  # bytes that a simulated recording counts for, because simulating takes time
TASK = 4 << 20  # bytes of signal files that a worker decodes in one task


class Store:
    """The recordings of a training. Each array has one entry per recording."""

    signals: np.ndarray  # int16, mapped: the recordings one after another, each (12, length)
    lengths: np.ndarray  # int64, in samples
    demographics: np.ndarray  # float32 (recordings, 5)
    labels: np.ndarray  # boolean (recordings, classes)
    sources: np.ndarray  # str
    simulated: np.ndarray  # boolean
    digests: np.ndarray  # uint8 (recordings, 16): signal_digest of each

    def __init__(self, folder: Path, sources: Sequence[str], classes: int, fingerprint: str):
        rows = np.fromfile(folder / "rows.bin", row_type(classes))
        self.lengths, self.demographics, self.labels, self.simulated, self.digests = (
            np.ascontiguousarray(rows[column]) for column in ("length", "demographics", "labels", "simulated", "digest")
        )
        self.sources = np.array(sources, object)[rows["source"]]
        self.fingerprint = fingerprint
        self._names = folder / "names.jsonl"
        # Mode "c" (copy on write): nothing is written, and PyTorch does not warn about read-only memory.
        self.signals = np.memmap(folder / "signals.i16", np.int16, mode="c")

    def __len__(self) -> int:
        return len(self.lengths)

    def names(self) -> Iterator[str]:
        with open(self._names, encoding="utf-8") as file:
            yield from map(json.loads, file)


def row_type(classes: int) -> np.dtype:
    columns = [("length", "<i8"), ("source", "<i4"), ("demographics", "<f4", 5), ("labels", "?", classes)]
    return np.dtype([*columns, ("simulated", "?"), ("digest", "u1", 16)])


def open_store(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe, simulated: int = 0) -> Store:
    """Open the store in ``folder``, or build it if it is missing or a recording or the preprocessing has changed.

    It holds the recordings at ``headers`` that have a scored label, then ``simulated`` ones from the recipe's seed. A
    recording that cannot be read is named and left out. So are recordings without labels (``Weights.is_labelled``).
    Raises EntryError if none is left.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    made_from = {
        "fingerprint": recordings_fingerprint(headers, weights, recipe),
        "simulated": [simulated, recipe.seed if simulated else 0],
    }
    index = folder / "index.json"
    try:
        found = json.loads(index.read_text())
    except (OSError, ValueError):
        found = {}
    # A removal may have been interrupted while the index was still there.
    if found | made_from != found or not all((folder / name).exists() for name in FILES):
        with write_errors(folder):
            shutil.rmtree(folder)
            folder.mkdir()
            found = made_from | {"sources": _build(headers, folder, weights, recipe, simulated)}
        write_json(index, found)
    return Store(folder, found["sources"], len(weights.classes), found["fingerprint"])


def recordings_fingerprint(headers: Sequence[Path], weights: Weights, recipe: Recipe) -> str:
    """A digest that changes with any file of the recordings, the classes and the preprocessing."""
    digest = hashlib.sha256(repr((STORE_FORMAT, recipe.rate, recipe.resampling, recipe.trim, weights.classes)).encode())
    digest.update(repr(sorted(weights.column.items())).encode())
    for header in headers:
        for path in (header, *(header.with_suffix(suffix) for suffix in (".mat", ".dat", ".MAT", ".DAT"))):
            try:
                status = path.stat()
                digest.update(os.fsencode(path.name) + f":{status.st_size}:{status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(os.fsencode(path.name) + b":absent\n")
    return digest.hexdigest()


class SimulatedEntry(NamedTuple):
    """A simulated recording, which has no file."""

    seed: int
    number: int

    def __str__(self) -> str:
        return f"simulated recording {self.number} of seed {self.seed}"


Entry = Path | SimulatedEntry


class Decoded(NamedTuple):
    """The facts of a recording whose signal a worker has written."""

    header: Header
    labels: np.ndarray
    length: int
    digest: bytes


def _build(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe, simulated: int) -> list[str]:
    """Write the store's files except the index; return the sources of its recordings."""
    sources: dict[str, int] = {}
    entries: list[Entry] = [*headers, *(SimulatedEntry(recipe.seed, index) for index in range(simulated))]
    scored, unscored, unreadable, used = 0, 0, 0, 0
    unknown: Counter[str] = Counter()  # diagnoses that are not understood
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
                progress.print_line(f"skipped: {found}")
            elif isinstance(found, Header):
                unscored += isinstance(entry, Path)
                unknown.update(weights.not_understood(found.diagnoses))
            else:
                scored += isinstance(entry, Path)
                used += isinstance(entry, SimulatedEntry)
                header, row["labels"], row["length"], digest = found
                unknown.update(weights.not_understood(header.diagnoses))
                row["digest"] = np.frombuffer(digest, np.uint8)
                row["source"] = sources.setdefault(header.source, len(sources))
                row["simulated"] = isinstance(entry, SimulatedEntry)
                row["demographics"] = preprocessing.demographics(header.age, header.sex)
                row_file.write(row.tobytes())  # unlike NumPy's tofile, write() notices a full disk
                name_file.write(json.dumps(header.name).encode() + b"\n")
        for file in opened:
            file.flush()
            os.fsync(file.fileno())
        rows: np.ndarray = np.fromfile(folder / "rows.bin", row.dtype)
        samples = rows["length"].sum()
        if os.path.getsize(folder / "signals.i16") != 2 * len(LEADS) * samples:
            raise EntryError(f"{folder}: another process changed it while it was written; start again")
    progress.print_line(f"{scored} recordings to train on, {unscored} without a scored label, {unreadable} unreadable")
    if unknown:
        progress.print_line(format_not_understood(unknown))
    if simulated:
        progress.print_line(f"and {used} simulated recordings")
    if not scored:
        raise EntryError(
            f"{headers[0].parent}: no recording with a scored label; give a folder of labelled recordings, "
            "or your own classes by --classes (docs/classes.md)"
        )
    return list(sources)


def _decode_all(
    entries: Sequence[Entry], signal_file: BinaryIO, folder: Path, weights: Weights, recipe: Recipe
) -> Iterator[Decoded | RecordError | Header]:
    """Decode the recordings in several processes, in order, and append their signals to ``signal_file``.

    Each worker writes the signals to a file of its own in ``folder``: twice as fast as a pipe, and not in memory.
    """
    import joblib  # here because it takes a tenth of a second, and the driver builds no store

    tasks = list(_grouped(entries, TASK))
    # The names are this process's own, because the workers of a killed process may still be writing.
    parts = [folder / f"part-{os.getpid()}-{number}.i16" for number in range(len(tasks))]
    workers = joblib.Parallel(-1 if len(entries) > FEW else 1, return_as="generator")
    decoded = workers(joblib.delayed(_decode_task)(*task, weights, recipe) for task in zip(tasks, parts))
    for part, of_task in zip(parts, decoded):
        with open(part, "rb") as file:
            shutil.copyfileobj(file, signal_file, 1 << 20)
        part.unlink()
        yield from of_task


def _grouped(entries: Sequence[Entry], limit: int) -> Iterator[list[Entry]]:
    """Group ``entries`` in order; the signal files of a group have at most ``limit`` bytes, or it has one entry."""
    group: list[Entry] = []
    size = 0
    for entry in entries:
        more = SIMULATED_SIZE if isinstance(entry, SimulatedEntry) else signal_size(entry)
        if group and size + more > limit:
            yield group
            group, size = [], 0
        group.append(entry)
        size += more
    yield group


def _decode_task(entries: Sequence[Entry], part: Path, weights: Weights, recipe: Recipe) -> list:
    with open(part, "wb") as file:
        return [_decode(entry, file, weights, recipe) for entry in entries]


def _decode(entry: Entry, file: BinaryIO, weights: Weights, recipe: Recipe) -> Decoded | RecordError | Header:
    """Write the recording's signal to ``file``; its header if it has no labels, an error if it is unusable."""
    try:
        record = simulated_record(*entry) if isinstance(entry, SimulatedEntry) else read_record(entry)
        labels = weights.encode(record.header.diagnoses)
        if not weights.is_labelled(record.header.diagnoses):
            return record.header
        require_ecg(record, str(entry))
        counts = np.ascontiguousarray(preprocessing.network_signal(record.counts, record.header.rate, recipe))
    except Exception as error:  # one broken recording must not stop the others
        return as_record_error(error, entry)
    file.write(counts.data)
    return Decoded(record.header, labels, counts.shape[1], signal_digest(record))
