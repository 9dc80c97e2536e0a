"""The processes of a gateway: composition roots and supervisor."""
