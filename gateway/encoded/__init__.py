"""Encoded data sets (PS3.5) and files (PS3.10), read within bounds: counted before pydicom sees them."""
