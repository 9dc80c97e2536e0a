"""How good a model is: figures with intervals, by data set and subgroup, and plots of them."""
