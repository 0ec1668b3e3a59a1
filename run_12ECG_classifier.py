"""The functions that the organisers' scripts of 2020 call to load and run an entry."""

import sys

from team_code import load_model as load_12ECG_model  # noqa: F401
from team_code import run_model


def run_12ECG_classifier(data, header_data, model):
    """Labels, scores and class codes of a recording; ``header_data`` is the list of its header's lines.

    The driver of 2020 ends at an exception. So a recording that cannot be run gets no positive label, and one printed
    line.
    """
    try:
        classes, labels, scores = run_model(model, header_data, data)
    except Exception as error:  # one broken recording must not stop the others
        print(f"failed: {header_data[:1]}: {error}", file=sys.stderr)
        classes = list(model.classes)
        labels = scores = [0] * len(classes)
    return labels, scores, classes
