"""ELIGIBILITY, DECODE, PREPROCESS: from a received data set to the model's input.

The worker's pipeline and `gateway predict` call it. Everything here is pure: no files, sockets, clock or
database, so the same bytes always give the same verdict and the same pixels.
"""
