"""Evaluation: the official figures, output files, confidence intervals, the leaderboard."""
