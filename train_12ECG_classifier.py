"""The name that the organisers' scripts of 2020 call the training by."""

from team_code import training_code as train_12ECG_classifier  # noqa: F401
