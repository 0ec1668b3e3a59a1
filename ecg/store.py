"""A folder of recordings, decoded once: every recording as the network sees it, in one memory-mapped int16 file.

``signals.i16`` holds the recordings one after another, each (12, samples) at the network's rate; ``rows.bin`` has a
row a recording, ``names.jsonl`` its name, and ``index.json``, written last, says what they were made of. While it is
built, a worker has one recording in memory, so a folder may be of any size. The store belongs to one training: it is
made in the model folder (the data folder may be read-only), used again if that training is started again, and removed
with its end, because it holds patients' data and a model folder is given away.
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

from ecg import progress, signals
from ecg.errors import EntryError, RecordError, as_record_error
from ecg.files import write_json, writing
from ecg.recipe import Recipe
from ecg.records import LEADS, Header, read_record, signal_size
from ecg.scoring import Weights

FORMAT = 2  # raised whenever the files, or the numbers that preprocessing gives, change: older stores are built again
FEW = 64  # recordings that are decoded before other processes would have started
TASK = 4 << 20  # bytes of signal files that a worker decodes before it hands them over


class Store:
    """The recordings of a training; each array has one entry a recording."""

    signals: np.ndarray  # int16, mapped: the recordings one after another, each (12, length)
    lengths: np.ndarray  # int64, in samples
    demographics: np.ndarray  # float32 (recordings, 5)
    labels: np.ndarray  # boolean (recordings, classes)
    sources: np.ndarray  # str

    def __init__(self, folder: Path, sources: Sequence[str], classes: int, fingerprint: str):
        rows = np.fromfile(folder / "rows.bin", row_type(classes))
        self.lengths, self.demographics, self.labels = (
            np.ascontiguousarray(rows[column]) for column in ("length", "demographics", "labels")
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
    return np.dtype(columns)


def open_store(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe) -> Store:
    """The store of the recordings ``headers`` that carry a scored label, as the recipe wants them, in ``folder``.

    Built if it is not there or if a recording or the preprocessing has changed. A recording that cannot be read is
    named and left out, and so are, as published, those without a scored label. EntryError where none is left.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(headers, weights, recipe)
    index = folder / "index.json"
    try:
        found = json.loads(index.read_text())
    except (OSError, ValueError):
        found = {}
    if found.get("fingerprint") != fingerprint:
        with writing(folder):
            shutil.rmtree(folder)
            folder.mkdir()
            found = {"fingerprint": fingerprint, "sources": _build(headers, folder, weights, recipe)}
        write_json(index, found)
    return Store(folder, found["sources"], len(weights.classes), fingerprint)


def _fingerprint(headers: Sequence[Path], weights: Weights, recipe: Recipe) -> str:
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


class Decoded(NamedTuple):
    """What a worker knows of a recording whose signal it has written."""

    header: Header
    labels: np.ndarray
    length: int


def _build(headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe) -> list[str]:
    """Writes the store's files but the index; the sources of its recordings."""
    sources: dict[str, int] = {}
    unscored, unreadable = 0, 0
    row = np.zeros((), row_type(len(weights.classes)))
    with ExitStack() as stack:
        opened = [stack.enter_context(open(folder / name, "wb")) for name in ("signals.i16", "rows.bin", "names.jsonl")]
        signal_file, row_file, name_file = opened
        decoded = _decode_all(headers, signal_file, folder, weights, recipe)
        for found in progress.bar(decoded, len(headers), "reading", "recordings"):
            if isinstance(found, RecordError):
                unreadable += 1
                progress.say(f"left out: {found}")
            elif found is None:
                unscored += 1
            else:
                header, row["labels"], row["length"] = found
                row["source"] = sources.setdefault(header.source, len(sources))
                row["demographics"] = signals.demographics(header.age, header.sex)
                row_file.write(row.tobytes())  # NumPy's tofile does not notice a full disk
                name_file.write(json.dumps(header.name).encode() + b"\n")
        for file in opened:
            file.flush()
            os.fsync(file.fileno())
        samples = np.fromfile(folder / "rows.bin", row.dtype)["length"].sum()
        if os.path.getsize(folder / "signals.i16") != 2 * len(LEADS) * samples:
            raise EntryError(f"{folder}: was changed by another process while it was written; start again")
    scored = len(headers) - unscored - unreadable
    progress.say(f"{scored} recordings to learn from, {unscored} without a scored label, {unreadable} unreadable")
    if not scored:
        raise EntryError(f"{headers[0].parent}: no recording with a scored label; is it a training folder?")
    return list(sources)


def _decode_all(
    headers: Sequence[Path], signal_file: BinaryIO, folder: Path, weights: Weights, recipe: Recipe
) -> Iterator[Decoded | RecordError | None]:
    """The recordings in their order, as ``_decode`` has them, in several processes; their signals to ``signal_file``.

    A worker's signals come in a file of its own in ``folder``: twice as fast as through a pipe, and not in memory.
    """
    tasks = list(_grouped(headers, TASK))
    # of this process alone: the workers of one that was killed may still be writing theirs
    parts = [folder / f"part-{os.getpid()}-{number}.i16" for number in range(len(tasks))]
    workers = joblib.Parallel(-1 if len(headers) > FEW else 1, return_as="generator")
    decoded = workers(joblib.delayed(_decode_task)(*task, weights, recipe) for task in zip(tasks, parts))
    for part, of_task in zip(parts, decoded):
        with open(part, "rb") as file:
            shutil.copyfileobj(file, signal_file, 1 << 20)
        part.unlink()
        yield from of_task


def _grouped(headers: Sequence[Path], limit: int) -> Iterator[list[Path]]:
    """``headers`` in turn, in groups whose signal files have at most ``limit`` bytes together, or are one."""
    group, size = [], 0
    for header in headers:
        more = signal_size(header)
        if group and size + more > limit:
            yield group
            group, size = [], 0
        group.append(header)
        size += more
    yield group


def _decode_task(headers: Sequence[Path], part: Path, weights: Weights, recipe: Recipe) -> list:
    with open(part, "wb") as file:
        return [_decode(header, file, weights, recipe) for header in headers]


def _decode(path: Path, file: BinaryIO, weights: Weights, recipe: Recipe) -> Decoded | RecordError | None:
    """Writes the recording's signal to ``file``, unless it cannot be read, or has no scored label (None)."""
    try:
        record = read_record(path)
        labels = weights.encode(record.header.diagnoses)
        if not labels.any():
            return None
        counts = np.ascontiguousarray(signals.network_signal(record.counts, record.header.rate, recipe))
    except Exception as error:  # whatever is wrong with this recording, the others are still to be read
        return as_record_error(error, path)
    file.write(counts)
    return Decoded(record.header, labels, counts.shape[1])
