"""notes.csv in a folder of outputs: what the reader of an output must know about its recording.

One line for each note: the recording, the kind of note, the note. While the driver runs, each process appends its notes
to a file of its own, before it writes the output. So an interrupted or killed run loses no note of a finished output.
"""

import csv
import io
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ecg.files import read_text, write_csv, write_errors

NOTES = "notes"  # of notes.csv
HEADER = ("recording", "kind", "note")
WARNING, DECISION, TRAINED_ON, MODEL = KINDS = ("warning", "decision", "trained on", "model")


class Note(NamedTuple):
    """A note on ``recording``, a printable name.

    ``kind``: WARNING (something is unusual), DECISION (how the labels were found), TRAINED_ON, or MODEL (about the
    model; the recording is then "").
    """

    recording: str
    kind: str
    text: str


class NoteFile:
    """The notes of one process of the driver while it runs."""

    def __init__(self, folder: Path, rank: int):
        self.path = folder / f".{NOTES}-{rank}.csv"

    def append(self, notes: Sequence[Note]) -> None:
        with write_errors(self.path), open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(notes)


def merge_notes(folder: Path, keep: Container[str], about_model: str = "") -> list[Note]:
    """Write notes.csv from itself and the files of all processes, and remove these; return its notes, sorted.

    Only the recordings in ``keep`` keep their notes. ``about_model`` is what a reader must know about the model, if
    anything.
    """
    parts = sorted(folder.glob(f".{NOTES}-*.csv"))
    notes = {note for path in (folder / f"{NOTES}.csv", *parts) for note in _read(path) if note.recording in keep}
    if about_model:
        notes.add(Note("", MODEL, about_model))
    merged = sorted(notes)
    with write_errors(folder):
        if merged:
            write_csv(folder / f"{NOTES}.csv", [HEADER, *merged])
        else:
            (folder / f"{NOTES}.csv").unlink(missing_ok=True)
        for part in parts:
            part.unlink()
    return merged


def summary_lines(notes: Sequence[Note], folder: Path) -> list[str]:
    """How many recordings have a note of each kind, as lines to print; none without notes."""
    about_model = [note.text for note in notes if note.kind == MODEL]
    notes = [note for note in notes if note.kind != MODEL]
    if not notes:
        return about_model
    trained_on = sum(note.kind == TRAINED_ON for note in notes)
    others = Counter(f"{note.kind}: {note.text.partition(':')[0]}" for note in notes if note.kind != TRAINED_ON)
    lines = [f"notes on {len({note.recording for note in notes})} recordings are in {folder / NOTES}.csv:"]
    if trained_on:
        lines.append(
            f"  {trained_on:6,}  the model was trained on them: their results say nothing about new recordings"
        )
    return about_model + lines + [f"  {number:6,}  {kind}" for kind, number in others.most_common()]


def read_trained_on(folder: Path) -> set[str]:
    """The recordings in the outputs ``folder`` that the model was trained on; empty if there is no note of any."""
    return {note.recording for note in _read(folder / f"{NOTES}.csv") if note.kind == TRAINED_ON}


def read_about_model(folder: Path) -> str:
    """What the outputs ``folder`` says about the model, "" if nothing."""
    return "; ".join(note.text for note in _read(folder / f"{NOTES}.csv") if note.kind == MODEL)


def _read(path: Path) -> list[Note]:
    """The notes of ``path``, without a line that a killed process left unfinished."""
    if not path.exists():
        return []
    lines: Iterable[list[str]] = csv.reader(io.StringIO(read_text(path)))
    return [Note(*line) for line in lines if len(line) == len(HEADER) and line[1] in KINDS]
