"""A folder's recordings, read in the background while the networks work on those before them."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ecg.data.listing import signal_size
from ecg.data.preprocessing import NetworkInput, network_input
from ecg.data.record import read_record
from ecg.errors import RecordError, as_record_error
from ecg.recipe import Recipe

READERS = 2  # threads; decoding and resampling leave Python's lock free most of the time
AHEAD = 32 << 20  # bytes of signal files that may have been read ahead, so that long recordings do not fill the memory
BATCH_SAMPLES = 1 << 20  # a batch whose recordings have so many together is full


def read_batches(headers: Sequence[Path], recipe: Recipe) -> Iterator[list[tuple[Path, NetworkInput | RecordError]]]:
    """The recordings in the order of ``headers``, at most ``recipe.batch`` at a time; an error where one is broken.

    No batch goes beyond a block of so many headers: what it says of a recording is the same, to the last digit,
    whoever does the other blocks.
    """
    batch, samples = [], 0
    for number, (path, view) in enumerate(_read_ahead(headers, recipe), 1):
        batch.append((path, view))
        samples += 0 if isinstance(view, RecordError) else view[0].shape[1]
        if number % recipe.batch == 0 or number == len(headers) or samples >= BATCH_SAMPLES:
            yield batch
            batch, samples = [], 0


def blocks_for_process(headers: Sequence[Path], recipe: Recipe, rank: int, ranks: int) -> list[Path]:
    """Those of ``headers`` that process ``rank`` of ``ranks`` runs: every so many-th block."""
    starts = range(rank * recipe.batch, len(headers), ranks * recipe.batch)
    return [path for start in starts for path in headers[start : start + recipe.batch]]


def _read_ahead(headers: Sequence[Path], recipe: Recipe) -> Iterator[tuple[Path, NetworkInput | RecordError]]:
    """At most two batches ahead, and no more than AHEAD bytes of files."""
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
    """As the network sees it; a recording shorter or longer than its header says is taken as it is."""
    try:
        return network_input(read_record(path, lenient=True), recipe)
    except Exception as error:  # whatever is wrong with this recording, the others are still to be done
        return as_record_error(error, path)
