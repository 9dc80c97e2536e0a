"""The rules of the standard (PS3.5, PS3.7, PS3.10) for text, values, elements, files and statuses.

Every other part of the gateway uses this package. The package depends on no database, socket or clock, and
its readers bound depth, element count and inflated size.
"""
