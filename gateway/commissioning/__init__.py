"""Fits a model to one hospital with its own normal chests; `gateway commission` loads this folder.

No worker imports it: statistics of batch normalisations need PyTorch.
"""
