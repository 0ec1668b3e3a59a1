"""The time that a training still needs, estimated from the epochs of this run."""

import json
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecg.files import write_json
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log


@dataclass(frozen=True)
class PlannedFit:
    """One network's epochs on simulated recordings alone, or on real ones."""

    name: str  # in the epoch log
    fold: int
    simulated: bool
    epochs: int
    recordings: int  # in each epoch


class TimeLeft:
    """The estimate of one process for the networks that it trains.

    Only the epochs of this run are measured; validation counts as a part of its epoch. Epochs of pretraining have a
    speed of their own. A kind of epoch that was not measured yet is assumed to run at the speed of the other kind.
    Without a plan there is no estimate.
    """

    def __init__(self, plan: Sequence[PlannedFit] = ()):
        self.plan = {fit.name: fit for fit in plan}
        self.folds: Collection[int] | None = None  # those that this process trains; None: all
        self.text = ""  # the estimate after the last epoch, in words
        self._seconds: dict[bool, float] = defaultdict(float)  # measured, by PlannedFit.simulated
        self._recordings: dict[bool, int] = defaultdict(int)

    def end_epoch(self, work_dir: Path, name: str, rate: float, validation: float) -> str:
        """Measure an epoch of ``name`` that the epoch log in ``work_dir`` has already; return the new ``text``.

        ``rate`` is in recordings/s, ``validation`` in seconds. The estimate is also written to ``work_dir``.
        """
        if name not in self.plan or not rate:  # the rate is 0 if a resumed epoch had no batch left
            return self.text
        fit = self.plan[name]
        self._seconds[fit.simulated] += fit.recordings / rate + validation
        self._recordings[fit.simulated] += fit.recordings
        seconds, folds = self._estimate(work_dir), sorted(self.folds or ())
        self.text = f"  {format_time_left(seconds)}" if seconds else ""
        if seconds and folds:
            self.text += f" for network{'s' if folds[1:] else ''} {', '.join(str(fold + 1) for fold in folds)}"
        write_json(
            work_dir / f"time-left-{min(folds, default=0) + 1}.json", {"seconds": seconds, "written": time.time()}
        )
        return self.text

    def _estimate(self, work_dir: Path) -> float:
        """Seconds until all epochs of this process's folds are done."""
        done, total = read_epoch_log(work_dir / EPOCH_LOG), 0.0
        for fit in self.plan.values():
            if self.folds is None or fit.fold in self.folds:
                measured = fit.simulated if self._recordings[fit.simulated] else not fit.simulated
                seconds_per_recording = self._seconds[measured] / self._recordings[measured]
                epochs = fit.epochs - len(done.get(fit.name, ()))
                total += epochs * fit.recordings * seconds_per_recording
        return total


def forget_time_left(work_dir: Path) -> None:
    """Remove the estimates of an earlier run."""
    for path in work_dir.glob("time-left-*.json"):
        path.unlink(missing_ok=True)


def read_time_left(work_dir: Path) -> float | None:
    """The seconds that the training in ``work_dir`` still needs from now; None before its first epoch of this run."""
    ends = []
    for path in work_dir.glob("time-left-*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            estimate = json.loads(path.read_text())
            ends.append(estimate["written"] + estimate["seconds"])
    return max(0.0, max(ends) - time.time()) if ends else None


def format_time_left(seconds: float) -> str:
    """The time left in words.

    >>> [format_time_left(seconds) for seconds in (20, 2100, 9000)]
    ['less than a minute left', 'about 35 min left', 'about 2 h 30 min left']
    """
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    return f"about {minutes} min left" if minutes < 90 else f"about {minutes // 60} h {minutes % 60} min left"
