"""The audit trail (PS3.15 A.5): who received, sent, saw and refused what. Only here are patients named."""
