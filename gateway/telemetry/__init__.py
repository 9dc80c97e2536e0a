"""The operator's view of a running gateway: log, events, audit trail, role status."""
