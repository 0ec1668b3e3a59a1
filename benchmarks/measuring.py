"""How long, how often, how much memory, and on what machine."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from ecg.model.compute import Compute

ROOT = Path(__file__).resolve().parent.parent


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def against(
    plainly: Callable, ours: Callable, pairs: int, plain_units: int = 0, our_units: int = 0, times: int = 1
) -> tuple[float, float, str]:
    """Both in turn, ``pairs`` times: medians (seconds, or units a second), and how many times as fast ours is.

    ``times``: the plain way does so small a part of the work.
    """
    seconds = [(timed(plainly) * times, timed(ours)) for _ in range(pairs)]
    scale = our_units / plain_units if plain_units else 1
    ratios = [a / b * scale for a, b in seconds]
    a, b = (statistics.median(column) for column in zip(*seconds))
    ratio = f"{a / b * scale:.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
    return (plain_units / a, our_units / b, ratio) if plain_units else (a, b, ratio)


def matmul_rate(compute: Compute, size: int = 2048) -> float:
    """Operations a second of a large matrix product, in the numbers that the training multiplies."""
    a = torch.randn(size, size, device=compute.device, dtype=compute.dtype)

    def work() -> None:
        for _ in range(5):
            torch.mm(a, a)
        if compute.device.type == "cuda":
            torch.cuda.synchronize()

    work()
    return 5 * 2 * size**3 / min(timed(work) for _ in range(5))


def peak_memory(code: str = "", script: list | None = None) -> float:
    """The peak resident memory in MB of a Python process of its own; of the largest, where it starts others."""
    command = [sys.executable, *(script or ["-c", code])]
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout) / 1024


def watched(script: list, place: Path) -> tuple[float, float, float]:
    """Seconds that a script takes; at its peak, MB of memory that are its own and its workers', and MB in ``place``.

    Of mapped files nothing counts: the system can spare their pages. Linux alone tells; it is asked ten times a second.
    """
    started, memory, disk = time.perf_counter(), 0.0, 0.0
    command = [sys.executable, *map(str, script)]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        while process.poll() is None:
            memory = max(memory, sum(map(_own_memory, _family(process.pid))))
            with suppress(OSError):  # a file that is gone meanwhile
                disk = max(disk, sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6)
            time.sleep(0.1)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode())
    return time.perf_counter() - started, memory, disk


def _family(process: int) -> list[int]:
    children = []
    with suppress(OSError):  # a thread or a process that is gone meanwhile
        for thread in Path(f"/proc/{process}/task").iterdir():
            children += (thread / "children").read_text().split()
    return [process, *(one for child in children for one in _family(int(child)))]


def _own_memory(process: int) -> float:
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
