"""The function that the organisers' scripts of 2020 call to train an entry."""

from team_code import training_code as train_12ECG_classifier  # noqa: F401
