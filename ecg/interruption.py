"""Ctrl-C and SIGTERM: both end a script in order, and neither in the middle of a step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """One of the two came; ``exit_code`` is as a shell says it."""

    def __init__(self, number: int):
        super().__init__("interrupted")
        self.exit_code = 128 + number


def listen() -> None:
    """From now on both raise Interrupted, where the main thread is."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted(number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """What is done here is done whole: an interruption that comes meanwhile takes effect at the end."""
    if threading.current_thread() is not threading.main_thread():  # signals are none of its business
        yield
        return
    came = []
    handlers = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
