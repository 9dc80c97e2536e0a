"""Entry point of Alembic: the connection comes from `gateway.store.migrate`, in a transaction of its own."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
