"""INFER: from tensor to prediction; and how the network is trained and measured."""
