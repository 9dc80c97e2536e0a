"""INFER: the classifier, its weights and its card."""
