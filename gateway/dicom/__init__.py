"""The standard's own rules for text and values, used by every stage. Pure: values in, values out."""
