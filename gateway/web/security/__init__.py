"""Decides who may do what on the web, and records it."""
