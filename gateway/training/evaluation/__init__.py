"""Evaluation: figures of a model with intervals, by data set and subgroup, and plots.

`gateway evaluate` and training call it.
"""
