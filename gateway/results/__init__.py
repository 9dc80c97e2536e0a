"""ENCODE: builds the results of an answer, a Structured Report and a Secondary Capture.

The worker and `gateway predict` call the builders of `kinds`. Everything here is pure: the same answer always
gives the same bytes and UIDs.
"""
