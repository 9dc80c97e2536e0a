"""`gateway doctor`: has this gateway all it needs, here and at its peers, and if not, what to change."""
