"""Renders radiographs and results for the pages."""
