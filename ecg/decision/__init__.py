"""Probabilities to labels: calibration, thresholds, the expected metric."""
