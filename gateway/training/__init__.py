"""Training and evaluation of the model: `gateway train` and `gateway evaluate` load this package lazily.

Nothing else in the gateway imports it. `train` reads a recipe and writes weights, card, figures and plots.
The same recipe, images and seed give the same model on the same hardware.
"""
