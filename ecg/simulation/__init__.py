"""Simulated 12-lead ECGs."""
