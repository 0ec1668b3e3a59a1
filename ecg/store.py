"""A folder of recordings, decoded once: every recording as the network sees it, in one memory-mapped int16 file.

The file ``signals.i16`` holds the recordings one after another, each (12, samples) at the network's rate; the table
``index.json`` says where each begins and what its header says. The store belongs to one training: it is made in the
model folder (the data folder may be read-only), used again if that training is started again, and removed with its
end, because it holds patients' data and a model folder is given away.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import numpy as np

from ecg import progress, signals
from ecg.errors import EntryError, RecordError, as_record_error
from ecg.files import write_json
from ecg.recipe import Recipe
from ecg.records import Record, read_record
from ecg.scoring import Weights

TASK = 64  # recordings a worker decodes before it hands them over
PREPROCESSING = 1  # raised whenever signals.network_signal gives other numbers: older stores are then built again


@dataclass(frozen=True)
class Entry:
    """One recording of a store: what its header says, and its length in samples."""

    name: str
    source: str
    age: float | None
    sex: str | None
    diagnoses: tuple[str, ...]
    length: int


class Store:
    """The recordings of a training; ``signals``, the mapped file, is int16, each of them (12, length) in turn."""

    def __init__(self, folder: Path, entries: Sequence[Entry], fingerprint: str):
        self.entries = list(entries)
        self.fingerprint = fingerprint
        # mode "c": nothing is written, but PyTorch warns of memory that cannot be
        self.signals = np.memmap(folder / "signals.i16", np.int16, mode="c")

    def __len__(self) -> int:
        return len(self.entries)

    def lengths(self) -> np.ndarray:
        """int64 (recordings,), in samples."""
        return np.array([entry.length for entry in self.entries])

    def demographics(self) -> np.ndarray:
        """float32 (recordings, 5)."""
        return np.stack([signals.demographics(entry.age, entry.sex) for entry in self.entries])

    def labels(self, weights: Weights) -> np.ndarray:
        """Boolean (recordings, classes)."""
        return np.stack([weights.encode(entry.diagnoses) for entry in self.entries])


def open_store(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe) -> Store:
    """The store of the recordings ``headers`` that carry a scored label, as the recipe wants them, in ``folder``.

    Built if it is not there or if a recording or the preprocessing has changed. A recording that cannot be read is
    named and left out, and so are, as published, those without a scored label. EntryError where none is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(headers, weights, recipe)
    index = folder / "index.json"
    try:
        found = json.loads(index.read_text())
    except (OSError, ValueError):
        found = {}
    if found.get("fingerprint") != fingerprint:
        index.unlink(missing_ok=True)
        found = {"fingerprint": fingerprint, "entries": _build(headers, folder / "signals.i16", weights, recipe)}
        write_json(index, found)
    entries = [Entry(**{**entry, "diagnoses": tuple(entry["diagnoses"])}) for entry in found["entries"]]
    return Store(folder, entries, fingerprint)


def _fingerprint(headers: Sequence[Path], weights: Weights, recipe: Recipe) -> str:
    """Changes with any file of the recordings, the classes and the preprocessing."""
    digest = hashlib.sha256(repr((PREPROCESSING, recipe.rate, recipe.resampling, weights.classes)).encode())
    for header in headers:
        for path in (header, *(header.with_suffix(suffix) for suffix in (".mat", ".dat"))):
            try:
                status = path.stat()
                digest.update(f"{path.name}:{status.st_size}:{status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(f"{path.name}:absent\n".encode())
    return digest.hexdigest()


def _build(headers: Sequence[Path], path: Path, weights: Weights, recipe: Recipe) -> list[dict]:
    tasks = [headers[start : start + TASK] for start in range(0, len(headers), TASK)]
    workers = joblib.Parallel(n_jobs=-1 if len(tasks) > 1 else 1, return_as="generator")
    decoded = workers(joblib.delayed(_decode)(task, recipe) for task in tasks)
    entries, unscored, unreadable = [], 0, 0
    with open(path, "wb") as file:
        for record in progress.bar((r for task in decoded for r in task), len(headers), "reading", "recordings"):
            if isinstance(record, RecordError):
                unreadable += 1
                progress.say(f"left out: {record}")
            elif not weights.encode(record.header.diagnoses).any():
                unscored += 1
            else:
                header, length = record.header, record.counts.shape[1]
                entry = Entry(header.name, header.source, header.age, header.sex, header.diagnoses, length)
                entries.append(asdict(entry))
                record.counts.tofile(file)
        file.flush()
        os.fsync(file.fileno())
    progress.say(f"{len(entries)} recordings to learn from, {unscored} without a scored label, {unreadable} unreadable")
    if not entries:
        raise EntryError(f"{headers[0].parent}: no recording with a scored label; is it a training folder?")
    return entries


def _decode(headers: Sequence[Path], recipe: Recipe) -> list[Record | RecordError]:
    """The recordings, their counts already as the network sees them; a RecordError in the place of a broken one."""
    decoded = []
    for header in headers:
        try:
            record = read_record(header)
            counts = np.ascontiguousarray(signals.network_signal(record.counts, record.header.rate, recipe))
            decoded.append(Record(record.header, counts, record.mask))
        except Exception as error:  # whatever is wrong with this recording, the others are still to be read
            decoded.append(as_record_error(error, header))
    return decoded
