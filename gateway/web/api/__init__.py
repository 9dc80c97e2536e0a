"""The HTTP interface for programs: predict, STOW-RS, health, metrics."""
