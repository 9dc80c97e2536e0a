"""Reads settings from file and environment, and reports all problems at once. Every command calls it."""
