"""Explanations: where the networks look, and what each wave contributes."""
