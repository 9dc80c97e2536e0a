"""What operators see of a running gateway: log, events, audit trail, role status."""
