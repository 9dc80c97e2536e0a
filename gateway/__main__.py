"""`python -m gateway` is the `gateway` command."""

import gc

gc.disable()  # imports leave no garbage: looking for it is a tenth of a start; `main` looks again

from gateway.commands.app import main  # noqa: E402

main()
