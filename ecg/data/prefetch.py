"""Read a folder's recordings in the background while the networks run the previous ones."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ecg.data.listing import signal_size
from ecg.data.preprocessing import NetworkInput, network_input
from ecg.data.record import read_record
from ecg.errors import RecordError, as_record_error
from ecg.recipe import Recipe

READERS = 2  # threads; decoding and resampling mostly run without Python's global lock
AHEAD = 32 << 20  # bytes of signal files read ahead, so that long recordings do not fill the memory
BATCH_SAMPLES = 1 << 20  # a batch is full if its recordings have so many samples together


def read_batches(headers: Sequence[Path], recipe: Recipe) -> Iterator[list[tuple[Path, NetworkInput | RecordError]]]:
    """Yield batches of at most ``recipe.batch`` recordings in the order of ``headers``; a broken one is an error.

    No batch crosses a block of ``recipe.batch`` headers. So a recording's result is the same to the last digit when
    other processes run the other blocks.
    """
    batch, samples = [], 0
    for number, (path, view) in enumerate(_read_ahead(headers, recipe), 1):
        batch.append((path, view))
        samples += 0 if isinstance(view, RecordError) else view[0].shape[1]
        if number % recipe.batch == 0 or number == len(headers) or samples >= BATCH_SAMPLES:
            yield batch
            batch, samples = [], 0


def blocks_for_process(headers: Sequence[Path], recipe: Recipe, rank: int, ranks: int) -> list[Path]:
    """The headers that process ``rank`` of ``ranks`` runs: every ``ranks``-th block of ``recipe.batch`` headers."""
    starts = range(rank * recipe.batch, len(headers), ranks * recipe.batch)
    return [path for start in starts for path in headers[start : start + recipe.batch]]


def _read_ahead(headers: Sequence[Path], recipe: Recipe) -> Iterator[tuple[Path, NetworkInput | RecordError]]:
    """Read at most two batches and AHEAD bytes of files ahead."""
    with ThreadPoolExecutor(READERS) as readers:
        waiting: deque[tuple[Path, int, Future[NetworkInput | RecordError]]] = deque()
        size = 0
        for path in headers:
            waiting.append((path, signal_size(path), readers.submit(_read, path, recipe)))
            size += waiting[-1][1]
            while size > AHEAD or len(waiting) > 2 * recipe.batch:
                path, bytes_read, view = waiting.popleft()
                size -= bytes_read
                yield path, view.result()
        while waiting:
            path, _, view = waiting.popleft()
            yield path, view.result()


def _read(path: Path, recipe: Recipe) -> NetworkInput | RecordError:
    """The network input of the recording at ``path``, or the error."""
    try:
        return network_input(read_record(path, lenient=True), recipe)
    except Exception as error:  # one broken recording must not stop the others
        return as_record_error(error, path)
