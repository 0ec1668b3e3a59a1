"""What a person sees of long work: a bar with its rate on a terminal, plain lines anywhere else."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

_shown = {"lines": True, "bars": True}


def show(lines: bool, bars: bool) -> None:
    """What this process shows from now on: of several that work together one speaks for all."""
    _shown.update(lines=lines, bars=bars)


def bar(steps: Iterable, total: int, what: str, unit: str) -> Iterable:
    """``steps``, with a bar that counts them on a terminal and nothing elsewhere."""
    return tqdm(steps, desc=what, total=total, unit=f" {unit}", disable=None if _shown["bars"] else True, leave=False)


def print_line(line: str) -> None:
    """One line, above any bar."""
    if _shown["lines"]:
        tqdm.write(line)
        sys.stdout.flush()
