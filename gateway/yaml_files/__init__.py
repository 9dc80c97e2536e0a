"""YAML files that people write (settings, recipes, cards, profiles), and their problems in plain words."""
