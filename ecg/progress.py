"""Progress of long work: a bar with its rate on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Step = TypeVar("Step")
_shown = {"lines": True, "bars": True}


def configure(lines: bool, bars: bool) -> None:
    """Choose what this process shows from now on, so that one of several processes can speak for all."""
    _shown.update(lines=lines, bars=bars)


def bar(steps: Iterable[Step], total: int, title: str, unit: str) -> Iterable[Step]:
    """Iterate over ``steps`` and count them in a bar, on a terminal only."""
    return tqdm(steps, desc=title, total=total, unit=f" {unit}", disable=None if _shown["bars"] else True, leave=False)


def print_line(line: str) -> None:
    """Print one line above any bar."""
    if _shown["lines"]:
        tqdm.write(line)
        sys.stdout.flush()
