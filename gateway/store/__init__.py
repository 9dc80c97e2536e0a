"""Everything that must outlive the process: files in stores, and rows in the ledger.

images       ledger.py arrivals.py claims.py answers.py descriptions.py outcome.py history.py timings.py
deliveries   outbox.py commitments.py shipments.py requeue.py
rejections   rejections.py own_notes.py withdrawals.py
readers      feedback.py reader_reports.py export.py patients.py place.py
sources      pulls.py found_studies.py source_rows.py origin.py
hosts        workers.py receivers.py refusals.py clock.py clock_setback.py doorbell.py
files        objects.py stores.py spool.py s3.py bucket.py copies.py headers.py pictures.py key_file.py
their care   retention.py deletions.py orphans.py missing_files.py marks.py
database     opening.py database.py database_errors.py postgresql.py server_state.py schema.py migrate.py
transaction  session.py shared_commit.py writer.py turns.py
values       entries.py

`queries/` reads for the pages and the commands, `migrations/` brings older databases to this schema.
"""
