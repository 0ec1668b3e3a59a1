"""Ctrl-C and SIGTERM end a script in order, and never in the middle of a step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM arrived. ``exit_code`` is the shell's usual one."""

    def __init__(self, number: int):
        super().__init__("interrupted")
        self.exit_code = 128 + number


def install_handlers() -> None:
    """Make both signals raise Interrupted in the main thread."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted(number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Run the block to its end: a signal that arrives meanwhile takes effect afterwards."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.signal(number, lambda number, frame: arrived.append(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
