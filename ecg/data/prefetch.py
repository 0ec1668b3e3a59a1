"""Read a folder's recordings in the background while the networks run the previous ones."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from ecg import progress
from ecg.data.listing import signal_size
from ecg.data.preprocessing import NetworkInput, network_input
from ecg.data.record import read_record, signal_digest
from ecg.data.signal_check import require_ecg
from ecg.errors import RecordError, as_record_error
from ecg.recipe import Recipe

READERS = 2  # threads; decoding and resampling mostly run without Python's global lock
AHEAD = 32 << 20  # bytes of signal files read ahead, so that long recordings do not fill the memory
BATCH_SAMPLES = 1 << 20  # a batch is full if its recordings have so many samples together


class PreparedRecording(NamedTuple):
    """A recording ready for the networks, the warnings about its signal, and its ``signal_digest``."""

    input: NetworkInput
    warnings: list[str]
    digest: bytes


Prepared = PreparedRecording | RecordError
Result = TypeVar("Result")
BatchRunner = Callable[[Sequence[tuple[Path, PreparedRecording]]], Sequence[Result]]


def read_batches(headers: Sequence[Path], recipe: Recipe) -> Iterator[list[tuple[Path, Prepared]]]:
    """Yield batches of at most ``recipe.batch`` recordings in the order of ``headers``; a broken one is an error.

    No batch crosses a block of ``recipe.batch`` headers. So a recording's result is the same to the last digit when
    other processes run the other blocks.
    """
    batch, samples = [], 0
    for number, (path, prepared) in enumerate(_read_ahead(headers, recipe), 1):
        batch.append((path, prepared))
        samples += 0 if isinstance(prepared, RecordError) else prepared.input[0].shape[1]
        if number % recipe.batch == 0 or number == len(headers) or samples >= BATCH_SAMPLES:
            yield batch
            batch, samples = [], 0


def run_batches(
    headers: Sequence[Path], recipe: Recipe, run: BatchRunner[Result]
) -> Iterator[tuple[Path, Result | RecordError]]:
    """Yield what ``run`` returns for each recording of a batch, or the error, in the order of ``headers``.

    ``run`` is called with the readable recordings of a batch. A batch that fails is run again, one recording at a time.
    """
    for batch in read_batches(headers, recipe):
        readable = [(path, item) for path, item in batch if not isinstance(item, RecordError)]
        results: dict[Path, Result | RecordError] | None = None
        try:
            results = dict(zip((path for path, _ in readable), run(readable) if readable else ()))
        except Exception as error:
            progress.print_line(f"{len(readable)} recordings failed together ({error!r}); each is run alone")
        if results is None:  # outside the except block, which would keep the failed batch's memory
            results = {path: _run_alone(path, item, run) for path, item in readable}
        for path, item in batch:
            yield path, item if isinstance(item, RecordError) else results[path]


def _run_alone(path: Path, prepared: PreparedRecording, run: BatchRunner[Result]) -> Result | RecordError:
    try:
        return run([(path, prepared)])[0]
    except Exception as error:
        return as_record_error(error, path)


def blocks_for_process(headers: Sequence[Path], recipe: Recipe, rank: int, ranks: int) -> list[Path]:
    """The headers that process ``rank`` of ``ranks`` runs: every ``ranks``-th block of ``recipe.batch`` headers."""
    starts = range(rank * recipe.batch, len(headers), ranks * recipe.batch)
    return [path for start in starts for path in headers[start : start + recipe.batch]]


def _read_ahead(headers: Sequence[Path], recipe: Recipe) -> Iterator[tuple[Path, Prepared]]:
    """Read at most two batches and AHEAD bytes of files ahead."""
    with ThreadPoolExecutor(READERS) as readers:
        waiting: deque[tuple[Path, int, Future[Prepared]]] = deque()
        size = 0
        for path in headers:
            waiting.append((path, signal_size(path), readers.submit(_read, path, recipe)))
            size += waiting[-1][1]
            while size > AHEAD or len(waiting) > 2 * recipe.batch:
                path, bytes_read, prepared = waiting.popleft()
                size -= bytes_read
                yield path, prepared.result()
        while waiting:
            path, _, prepared = waiting.popleft()
            yield path, prepared.result()


def _read(path: Path, recipe: Recipe) -> Prepared:
    """The recording at ``path``, or the error: it cannot be read, or is no ECG."""
    try:
        record = read_record(path, lenient=True)
        warnings = require_ecg(record, str(path))
        return PreparedRecording(network_input(record, recipe), warnings, signal_digest(record))
    except Exception as error:  # one broken recording must not stop the others
        return as_record_error(error, path)
