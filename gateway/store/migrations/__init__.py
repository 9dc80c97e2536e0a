"""The ledger's schema, step by step; `gateway.store.migrate` walks up to the last one.

A released revision never changes. A new one: a file in `versions/` beside a change of `gateway.store.schema`;
`tests/unit/store/test_migrate.py` fails while the two differ.
"""
