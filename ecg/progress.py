"""What a person sees of long work: a bar with its rate on a terminal, plain lines anywhere else."""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def bar(steps: Iterable, total: int, what: str, unit: str) -> Iterable:
    """``steps``, with a bar that counts them on a terminal and nothing elsewhere."""
    return tqdm(steps, desc=what, total=total, unit=f" {unit}", disable=None, leave=False)


def say(line: str) -> None:
    """One line, above any bar."""
    tqdm.write(line)
    sys.stdout.flush()
