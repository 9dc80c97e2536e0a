"""ENCODE: Structured Report and Secondary Capture. Pure: values in, data sets out."""
