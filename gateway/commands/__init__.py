"""The `gateway` command line: a module for each group of commands, assembled in `app`."""
