"""Explanations: which samples, waves and leads the networks respond to."""
