#!/usr/bin/env python
"""Fit a model to a hospital by some of its recordings:  python tools/adapt.py MODEL RECORDINGS ADAPTED

RECORDINGS is a folder of recordings of the hospital: a random sample of 50 or more. Fewer than 10 are refused. The
log-odds of classes are shifted, because a class is more or less frequent at the hospital. ADAPTED is a new model folder
with the same networks. Its model.json and its outputs say that it is adapted. What the shifts rest on:

- By default, the diagnoses of the recordings: each class's mean probability approaches its frequency among them, the
  closer the more recordings there are.
- --unlabelled: the signals alone, no diagnosis. Sinus rhythm, sinus bradycardia and sinus tachycardia are fitted: how
  frequent they are shows in the probabilities. The recordings should be as long, clean and complete as those that the
  model was trained on. This gains less than labels.
- --frequencies FILE.csv: the classes' known frequencies, in lines of class,frequency, such as AF,0.08. The recordings
  need no labels. A class that FILE.csv does not name stays as it is.

--keep CLASS leaves a class as it is, for example one that the hospital's labels never name although it occurs.

The table shows each class's frequency at the hospital (with --unlabelled an estimate, within limits), the mean
probability before and after, and the shift. The last lines tell whether it helps here, if recordings have labels: their
Challenge metric before and after. Where the shifts rest on labels, each part of the recordings is scored with shifts
from the labels of the others. If the metric does not rise, keep MODEL. docs/guide.md says how many recordings
are enough.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.classes import Weights, abbreviation, clinical_rank, find_class, full_name, write_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.comments import format_not_understood
from ecg.data.formats.opening import find_format
from ecg.data.header import read_diagnoses
from ecg.data.listing import find_recordings
from ecg.data.prefetch import read_batches
from ecg.decision.adaptation import (
    ENOUGH,
    FEWEST,
    FROM_FREQUENCIES,
    FROM_LABELS,
    FROM_RECORDINGS,
    LIMIT,
    RHYTHMS,
    Adaptation,
    cross_validated,
    is_rhythm,
    shifted,
    shifts_by_frequencies,
    shifts_by_labels,
    shifts_by_recordings,
)
from ecg.decision.frequencies import read_frequencies
from ecg.errors import EntryError, RecordError
from ecg.evaluation.bootstrap import RESAMPLES, interval
from ecg.evaluation.metrics import metric_parts
from ecg.files import write_errors, write_json
from ecg.model.answers import recording_probabilities
from ecg.model.compute import pick_compute
from ecg.model.description import DESCRIPTION, Description
from ecg.model.folder import MODEL_WEIGHTS, Model, model_digest, network_file, read_weights
from ecg.model.tensors import load_tensors, save_tensors
from ecg.progress import print_line
from team_code import load_model


class Sample(NamedTuple):
    """The recordings of the hospital."""

    labels: np.ndarray  # bool (recordings, classes)
    labelled: np.ndarray  # bool (recordings,): whether its header has a diagnosis of the model's classes
    p: np.ndarray  # (networks, recordings, classes)
    digests: list[bytes]  # of the signals


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, metavar="MODEL", help="the folder of the trained model (read only)")
    arguments.add_argument("recordings", type=Path, metavar="RECORDINGS", help="a folder of the hospital's recordings")
    arguments.add_argument("adapted", type=Path, metavar="ADAPTED", help="a new folder for the adapted model")
    instead = arguments.add_mutually_exclusive_group()
    instead.add_argument("--unlabelled", action="store_true", help="use the signals alone, no diagnoses")
    instead.add_argument("--frequencies", type=Path, metavar="FILE.csv", help="known frequencies: class,frequency")
    arguments.add_argument("--keep", action="append", default=[], metavar="CLASS", help="a class to leave as it is")
    arguments.add_compute()
    args = arguments.parse()
    model = load_model(args.model, compute=pick_compute(args.device, args.float32))
    if model.description.adapted:
        raise EntryError(f"{args.model}: is adapted already; adapt the model that it was made from")
    if args.adapted.resolve() == args.model.resolve() or (args.adapted.exists() and any(args.adapted.iterdir())):
        raise EntryError(f"{args.adapted}: is not empty; give a new folder")
    kept = [find_class(model.classes, name) for name in args.keep]
    weights = read_weights(args.model, model.classes)
    usual = usual_probabilities(args.model, model.description) if args.unlabelled else None
    frequencies = read_frequencies(args.frequencies, model.classes) if args.frequencies else None
    sample = read_sample(model, weights, args.recordings, usual is None and frequencies is None)
    if usual is not None:
        shifts, basis = shifts_by_recordings(sample.p, model.classes, usual), FROM_RECORDINGS
        frequencies = np.where(is_rhythm(model.classes), shifted(usual, shifts), np.nan)
    elif frequencies is not None:
        shifts, basis = shifts_by_frequencies(sample.p, frequencies), FROM_FREQUENCIES
    else:
        shifts, basis = shifts_by_labels(sample.p, sample.labels), FROM_LABELS
        frequencies = sample.labels.mean(axis=0)
    shifts[kept] = 0
    if basis == FROM_RECORDINGS:
        frequencies[kept] = np.nan
        name_limits(model.classes, shifts)
    adaptation = Adaptation(shifts, len(sample.labels), basis, model_digest(args.model))
    description = adapted_description(model.description, adaptation, sample.digests if basis == FROM_LABELS else [])
    write_adapted(args.model, args.adapted, description, shifts)
    write_weights(args.adapted / MODEL_WEIGHTS, weights)
    print(table(model.classes, frequencies, sample.p, shifts), end="\n\n")
    print("\n".join(verdict(model.description, description, weights, sample, adaptation)))
    print(f"The adapted model is in {args.adapted}.")
    return ALL_WELL


def usual_probabilities(model: Path, description: Description) -> np.ndarray:
    """The mean probabilities (classes,) where the model was trained; EntryError if --unlabelled cannot use them."""
    if not is_rhythm(description.classes).any():
        raise EntryError(f"{model}: has none of the classes that --unlabelled fits ({', '.join(RHYTHMS)}); use labels")
    if description.mean_probabilities is None:
        raise EntryError(f"{model}: was trained before there was --unlabelled; use labels, or train it again")
    return description.mean_probabilities


def read_sample(model: Model, weights: Weights, folder: Path, needs_labels: bool) -> Sample:
    """Run the model on the recordings of ``folder``; what is left out or unusual is named on the screen.

    Raises EntryError if there are fewer than FEWEST.
    """
    headers = find_recordings(folder, refuse=lambda error: print_line(f"skipped: {error}"))
    samples, unlabelled, unknown = [], 0, Counter[str]()
    for batch in read_batches(headers, model.recipe):
        inputs, labels, labelled, digests = [], [], [], []
        for path, prepared in batch:
            if isinstance(prepared, RecordError):
                print_line(f"skipped: {prepared}")
                continue
            diagnoses = () if find_format(path) else read_diagnoses(path)  # other formats have none
            has_label = weights.is_labelled(diagnoses)
            if needs_labels:
                unknown.update(weights.not_understood(diagnoses))
                if not has_label:
                    unlabelled += 1
                    continue
            inputs.append(prepared.input)
            labels.append(weights.encode(diagnoses))
            labelled.append(has_label)
            digests.append(prepared.digest)
        if inputs:
            p = recording_probabilities(model, inputs)
            samples.append(Sample(np.array(labels), np.array(labelled), p, digests))
    if unlabelled:
        print_line(f"{unlabelled:,} recordings without a diagnosis of the model's classes are left out")
    if unknown:
        print_line(format_not_understood(unknown))
    digests = [digest for part in samples for digest in part.digests]
    if len(digests) < FEWEST:
        raise EntryError(f"{folder}: {len(digests)} usable recordings are too few; give {FEWEST}, or better {ENOUGH}")
    known = sum(digest in model.description.trained_on for digest in digests)
    if known:
        print_line(
            f"warning: the model was trained on {known:,} of the recordings; leave them out: it knows their labels"
        )
    if len(digests) < ENOUGH:
        print_line(f"warning: {len(digests)} recordings may make a model worse; from {ENOUGH} on that is improbable")
    return Sample(
        np.concatenate([part.labels for part in samples]),
        np.concatenate([part.labelled for part in samples]),
        np.concatenate([part.p for part in samples], axis=1),
        digests,
    )


def adapted_description(before: Description, adaptation: Adaptation, digests: list[bytes]) -> Description:
    """The description of the adapted model.

    If the shifts rest on labels or known frequencies, labels are no longer decided for other hospitals. ``digests`` are
    those of the recordings whose labels were used; they count as training recordings from now on.
    """
    trained_on = before.trained_on.and_of(digests, adaptation.model)
    after = replace(before, adapted=adaptation, trained_on=trained_on, mean_probabilities=None)
    if adaptation.basis == FROM_RECORDINGS:
        return after
    return replace(after, recipe=replace(before.recipe, elsewhere=0.0), hospitals=None)


def write_adapted(source: Path, folder: Path, description: Description, shifts: np.ndarray) -> None:
    """Write the networks of ``source`` with biases shifted by ``shifts`` (classes,) to ``folder``, model.json last."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for fold in range(len(description.thresholds)):
        tensors, _ = load_tensors(network_file(source, fold))
        tensors["head.bias"] = tensors["head.bias"].float() + torch.from_numpy(shifts).float()
        save_tensors(network_file(folder, fold), tensors)
    write_json(folder / DESCRIPTION, description.as_json())


def name_limits(classes: Sequence[str], shifts: np.ndarray) -> None:
    """Warn of the classes whose shift without labels ends at the limit."""
    for code in np.array(classes)[abs(shifts) >= LIMIT]:
        print_line(
            f"warning: {full_name(code)} seems far more or less frequent than where the model was trained. Look at the "
            "recordings: short or noisy ones, or few leads, can look like another rhythm"
        )


def table(classes: Sequence[str], frequencies: np.ndarray, p: np.ndarray, shifts: np.ndarray) -> str:
    """Each class's frequency at the hospital, mean probability before and after, and shift, in clinical order.

    A frequency that is NaN, because it is not known, is a dash.
    """
    before, after = p.mean(axis=(0, 1)), shifted(p, shifts).mean(axis=(0, 1))
    lines = [f"{'class':44s}  frequency  mean probability: before  after  shift of the log-odds"]
    for k in sorted(range(len(classes)), key=lambda k: clinical_rank(classes[k])):
        name = f"{full_name(classes[k])} ({abbreviation(classes[k])})"
        frequency = "-" if np.isnan(frequencies[k]) else f"{frequencies[k]:.3f}"
        lines.append(f"{name:44.44s}  {frequency:>9}  {before[k]:>24.3f}  {after[k]:5.3f}  {shifts[k]:+21.2f}")
    return "\n".join(lines)


def verdict(
    before: Description, after: Description, weights: Weights, sample: Sample, adaptation: Adaptation
) -> list[str]:
    """The Challenge metric of the recordings before and after, and what follows from it."""
    labels, p = sample.labels[sample.labelled], sample.p[:, sample.labelled]
    if weights.normal is None:
        return ["Whether this helps is not measured: the Challenge metric needs sinus rhythm among the classes."]
    if adaptation.basis == FROM_LABELS:
        adapted = cross_validated(p, labels, adaptation.shifts != 0)
        how = "each part with shifts from the labels of the others"
    else:
        adapted, how = shifted(p, adaptation.shifts), "whose labels were not used"
    both = (before, p), (after, adapted)
    parts = [metric_parts(weights, labels, decider.decide(of, "challenge")[0]) for decider, of in both]
    possible = parts[0][1]
    if not possible.any():
        return ["Whether this helps cannot be said: the recordings have no label but sinus rhythm, or none."]
    was, is_now = (gained.sum() / possible.sum() for gained, _ in parts)
    random_weights = np.random.default_rng(0).standard_exponential((RESAMPLES, len(labels)))
    gains = random_weights @ (parts[1][0] - parts[0][0]) / (random_weights @ possible)
    low, high = interval(is_now - was, gains)
    lines = [
        f"Challenge metric on these {len(labels):,} recordings, {how}:",
        f"  {was:.3f} before, {is_now:.3f} after; difference {is_now - was:+.3f} (95 % interval {low:+.3f} to "
        f"{high:+.3f})",
    ]
    if is_now <= was:
        lines.append("The adaptation does not help here. Keep MODEL.")
    elif low <= 0:
        lines.append("It probably helps; more recordings with labels would make that certain.")
    return lines


if __name__ == "__main__":
    run(main)
