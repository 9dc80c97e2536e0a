"""DELIVER: one file per kind of destination."""
