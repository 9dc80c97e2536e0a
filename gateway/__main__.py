"""`python -m gateway` is the `gateway` command."""

from gateway.commands.app import main

main()
