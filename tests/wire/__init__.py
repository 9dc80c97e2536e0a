"""Peers made of bytes: what a correct library would never send, in both directions."""
