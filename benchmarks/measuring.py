"""A library for the benchmarks: times, speed ratios, memory and disk use, and the processor's name."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def time_call(work: Callable[[], object]) -> float:
    """Call ``work`` and return the seconds it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(
    plain: Callable[[], object],
    ours: Callable[[], object],
    pairs: int,
    plain_recordings: int = 0,
    our_recordings: int = 0,
    plain_calls: int = 1,
) -> tuple[float, float, str]:
    """Time ``plain`` and ``ours`` in turn, ``pairs`` times.

    Parameters
    ----------
    plain, ours : callable
        The two implementations.
    pairs : int
        How often each is called.
    plain_recordings, our_recordings : int
        Recordings that one call processes. 0: the result is in s, otherwise in recordings/s.
    plain_calls : int
        Calls of ``plain`` that do the work of one call of ``ours``; its time is multiplied by them.

    Returns
    -------
    plain, ours : float
        The medians.
    ratio : str
        How many times as fast ``ours`` is: of the medians, with the lowest and the highest ratio of the pairs.
    """
    seconds = [(time_call(plain) * plain_calls, time_call(ours)) for _ in range(pairs)]
    scale = our_recordings / plain_recordings if plain_recordings else 1
    ratios = [scale * plain_seconds / our_seconds for plain_seconds, our_seconds in seconds]
    plain_median, our_median = (statistics.median(column) for column in zip(*seconds))
    ratio = f"{scale * plain_median / our_median:.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
    if not plain_recordings:
        return plain_median, our_median, ratio
    return plain_recordings / plain_median, our_recordings / our_median, ratio


def peak_memory(*arguments: object) -> float:
    """Run Python with ``arguments``; return the peak resident memory in MB of the largest of its processes."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def watch(script: Sequence[object], folder: Path) -> tuple[float, float, float]:
    """Run a script and return its seconds, its peak memory in MB, and the peak size of ``folder`` in MB.

    The memory is that of the script and its child processes without mapped files, whose pages the system can reclaim.
    It is read from Linux's /proc every 0.1 s.
    """
    started, memory, disk = time.perf_counter(), 0.0, 0.0
    command = [sys.executable, *map(str, script)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        while process.poll() is None:
            memory = max(memory, sum(map(_own_memory, _process_tree(process.pid))))
            with suppress(OSError):  # a file was removed meanwhile
                disk = max(disk, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6)
            time.sleep(0.1)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(errors.read().decode())
    return time.perf_counter() - started, memory, disk


def _process_tree(process: int) -> list[int]:
    """The id of a process and those of its descendants."""
    children: list[str] = []
    with suppress(OSError):  # a thread or the process has ended meanwhile
        for thread in Path(f"/proc/{process}/task").iterdir():
            children += (thread / "children").read_text().split()
    tree = [process]
    for child in children:
        tree += _process_tree(int(child))
    return tree


def _own_memory(process: int) -> float:
    """Anonymous memory in MB; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1000


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"
