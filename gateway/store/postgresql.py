"""Connections to PostgreSQL as it is run in hospitals: with a standby, a pooler, and clocks of its own.

`open_engine` calls it. Guarantees for every transaction, whatever the server, the role, the database, the URL
or a pooler say:

- a commit is on the server's disk when it returns, and at the standby where commits wait for one;
- text, times and numbers come as they were written;
- the server takes writes; a connection to one that has become read-only is dropped, and so is its pool;
- a lock, and an answer of the server, is waited for within bounds;
- the ledger's clock is the server's.

A pooler that gives each transaction another session (PgBouncer) keeps no setting and no prepared statement of
a session. It is recognised by the process ID of the session, which is not the one that it told the client;
what a session would keep is then set in each transaction.
"""

from __future__ import annotations

import select
from time import monotonic
from typing import Any

import psycopg
import sqlalchemy as sa

from gateway.store import clock
from gateway.store.database import is_pooled
from gateway.store.database_errors import READ_ONLY, sqlstate
from gateway.store.writer import LOCK_WAIT_MS

CONNECT_SECONDS = 10
"""Seconds that a server has for a connection, each of several hosts."""

ANSWER_SECONDS = 60.0
"""Seconds that a server has for the answer to one statement; senders wait for 30 s, as is usual."""

TRUSTED_SECONDS = 5.0
"""Seconds after an answer for which a connection is used without a question whether the server is there."""

KEPT_CONNECTIONS = 10
MOST_CONNECTIONS = 20
"""Connections that one process opens at most; `gateway doctor` compares."""

TIMEOUTS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,  # seconds; a host that is gone answers nothing, and nothing ends the connection
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,  # milliseconds
}
WRITABLE = {"target_session_attrs": "read-write"}
UNICODE = {"client_encoding": "utf8"}

_SESSION = (
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, {local}),"
    f" set_config('lock_timeout', '{LOCK_WAIT_MS}', {{local}}),"
    " set_config('extra_float_digits', '1', {local}), clock_timestamp()"
)
"""The settings of a session by which a commit is durable, no wait is endless, and no score is rounded.

`local`, `remote_write` and `remote_apply` sync the server's own disk, too, and stay.
"""

_FORM_AND_SESSION = "SELECT set_config('datestyle', 'ISO', false), pg_backend_pid()"
"""The form of dates that the driver reads, which a pooler keeps for its client; the ID of the session."""

_UNHURRIED = (
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('lock_timeout',"
    " 'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"
)
"""Lifts the limits on time that a server, a role or a database has, for one transaction."""

_OUTLIVES_NO_CLIENT = (
    "SELECT set_config('tcp_keepalives_idle', '10', false),"
    " set_config('tcp_keepalives_interval', '5', false),"
    " set_config('tcp_keepalives_count', '4', false),"
    " set_config('tcp_user_timeout', '30000', false)"
)
"""The server's side of `TIMEOUTS`: a host that lost its power within a transaction would hold its locks for
two hours, the system's default."""


class Connection(psycopg.Connection[Any]):
    """A connection that does not wait for ever for an answer.

    Attributes
    ----------
    patience
        Seconds for the answer to one statement; None: for ever.
    is_pooled
        Whether a pooler stands between, which may give each transaction another session.
    warning
        The last warning of the server, empty before the first.
    """

    patience: float | None = ANSWER_SECONDS
    is_pooled = False
    warning = ""
    _answered_at = float("-inf")  # monotonic seconds

    def __del__(self, *_: Any) -> None:
        """Leave the socket to libpq: SQLAlchemy drops a connection whose first statements fail, unclosed."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the end of an exchange; close the connection where none comes.

        Raises
        ------
        psycopg.OperationalError
            If the server does not answer in time. Whether it has done what it was asked is unknown.
        """
        try:
            answer = super().wait(gen, *args, **{"timeout": self.patience} | kwargs)
            self._answered_at = monotonic()
            return answer
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()  # the answer could still come, and would be taken for another one's
        raise psycopg.OperationalError(f"no answer within {self.patience} s")

    def commit(self) -> None:
        """Commit; close the connection where the server does so with a warning.

        Where commits wait for a standby, an administrator who cancels the wait makes of it a commit with a
        warning: the server has the rows, and the standby perhaps not.

        Raises
        ------
        psycopg.OperationalError
            If the rows may be lost with the server.
        """
        self.warning = ""
        super().commit()
        if self.warning:
            self.pgconn.finish()  # as after an answer that was lost: the rows are looked up
            raise psycopg.OperationalError(f"a commit with a warning: {self.warning}")

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Note a warning of the server."""
        if notice.severity_nonlocalized == "WARNING":
            self.warning = notice.message_primary or "of no words"

    @property
    def is_trusted(self) -> bool:
        """Whether the server answered a moment ago and has said nothing since: a server that ends says so."""
        if monotonic() - self._answered_at > TRUSTED_SECONDS:
            return False
        said = select.poll()
        said.register(self.pgconn.socket, select.POLLIN)
        return not said.poll(0)


def open_server(url: sa.URL, *, writable: bool = True) -> sa.Engine:
    """Return an engine on the server that the URL names, or on the one of several hosts that takes writes.

    Parameters
    ----------
    writable
        Whether a server that takes no writes is passed over; `gateway doctor` looks at it.
    """
    wanted = TIMEOUTS | (WRITABLE if writable else {})
    engine = sa.create_engine(
        url,
        pool_size=KEPT_CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - KEPT_CONNECTIONS,
        pool_timeout=CONNECT_SECONDS,
        pool_use_lifo=True,  # few sessions do most of the work, and have their statements prepared
        hide_parameters=True,  # they may name patients, and errors reach the log
        isolation_level="READ COMMITTED",  # whatever the server's default is: the statements are made for it
        connect_args={name: value for name, value in wanted.items() if name not in url.query} | UNICODE,
    )
    engine.dialect.use_insertmanyvalues_wo_returning = True  # many rows are one statement
    sa.event.listen(engine, "do_connect", _connect)
    sa.event.listen(engine, "connect", _prepare_session)
    sa.event.listen(engine, "checkout", _ask_whether_there)
    sa.event.listen(engine, "begin", _prepare_transaction)
    sa.event.listen(engine, "handle_error", _leave_standby)
    return engine


def wait_for_ever(connection: sa.Connection) -> None:
    """Let a transaction take its time, as an upgrade; the pool must not get the connection back."""
    driver: Any = connection.connection.dbapi_connection
    driver.patience = None
    connection.exec_driver_sql(_UNHURRIED)


def _connect(_: sa.Dialect, __: Any, arguments: Any, parameters: dict[str, Any]) -> Connection:
    return Connection.connect(*arguments, **parameters)


def _prepare_session(connection: Connection, _: Any) -> None:
    try:
        _begin_session(connection)
    except BaseException:
        connection.close()  # the pool does not know it yet
        raise


def _begin_session(connection: Connection) -> None:
    """Recognise a pooler; set what a session of one's own keeps."""
    connection.add_notice_handler(connection.note)
    connection.autocommit = True
    session = connection.execute(_FORM_AND_SESSION).fetchone()
    connection.is_pooled = session is None or session[-1] != connection.info.backend_pid
    if connection.is_pooled:
        connection.prepare_threshold = None  # the next transaction may be another session's
    else:
        connection.execute(_OUTLIVES_NO_CLIENT)
        asked = clock.counter()
        _note_clock(connection.execute(_SESSION.format(local="false")).fetchone(), asked)
    connection.autocommit = False


def _ask_whether_there(connection: Connection, *_: Any) -> None:
    """Replace all connections where the server does not answer over one that was not heard of for a while."""
    if connection.is_trusted:
        return
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.Error as error:
        raise sa.exc.InvalidatePoolError from error


def _prepare_transaction(connection: sa.Connection) -> None:
    """Set what a pooler's sessions do not keep; look at the server's clock from time to time."""
    driver: Any = connection.connection.dbapi_connection
    if driver.autocommit:  # one reading statement: see `Ledger.look`
        return
    if is_pooled(connection):
        statement = _SESSION.format(local="true")
    elif clock.is_old():
        statement = "SELECT clock_timestamp()"
    else:
        return
    asked = clock.counter()
    _note_clock(connection.exec_driver_sql(statement).one(), asked)


def _note_clock(row: Any, asked: float) -> None:
    clock.note(row[-1], asked)


def _leave_standby(context: sa.engine.ExceptionContext) -> None:
    """Connect anew after a fail-over: a connection to what has become the standby stays read-only."""
    if sqlstate(context.original_exception) == READ_ONLY:
        context.is_disconnect = True
