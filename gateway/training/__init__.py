"""How the network is trained: `train` reads a recipe and writes a model with its card, figures and plots."""
