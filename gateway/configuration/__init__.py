"""Reads the settings file and reports every problem in it at once."""
