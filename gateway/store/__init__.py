"""Everything that must outlive the process: the spool (files) and the ledger (rows)."""
