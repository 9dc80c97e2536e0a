"""RECEIVE: `intake` keeps what arrives; `c_store` and `stow` are its adapters, one file for each protocol.

Another input is one more adapter: a class of the shape `incoming.Incoming`, and a caller of `Intake.keep`.
"""
