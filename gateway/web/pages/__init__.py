"""Pages for readers and operators."""
