"""Raises while it is imported."""

raise RuntimeError("the weights are not here")
