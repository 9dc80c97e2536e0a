"""Tells operators what happens: log, audit trail, role status."""
