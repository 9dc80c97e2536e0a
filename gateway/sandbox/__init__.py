"""Runs work that may end or hang its process in a process of its own."""
