"""Scores: the official metrics, output files, intervals, the leaderboard."""
