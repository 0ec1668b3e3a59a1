"""The names that the organisers' scripts of 2020 load and run an entry by."""

from team_code import load_model as load_12ECG_model  # noqa: F401
from team_code import run_model


def run_12ECG_classifier(data, header_data, model):
    """Labels, scores and class codes of a recording; ``header_data`` is the list of its header's lines."""
    classes, labels, scores = run_model(model, header_data, data)
    return labels, scores, classes
