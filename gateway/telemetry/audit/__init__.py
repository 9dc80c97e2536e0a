"""The audit trail (PS3.15 A.5): receptions, transfers, views and refusals. Only the audit trail names patients."""
