"""The audit trail (PS3.15 A.5): receptions, transfers, views, refusals. Patients are named only here."""
