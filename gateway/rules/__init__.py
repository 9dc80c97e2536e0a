"""Conditions on header attributes: parsed when the settings are read, judged for an image, explained."""
