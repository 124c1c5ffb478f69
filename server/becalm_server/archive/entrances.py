"""The four ways into the database, and who goes in by which. No other module decides that.

| entrance | who | may |
|---|---|---|
| owner: the address itself | migrations, backup, restore, rederive; packing and trends of ended sessions | all |
| server | the live writer, the server's own tasks, requests of those who see everybody | rows, no tables |
| gate | the gate, before it knows who calls: tokens, logins, consents; the audit log | few tables of access |
| caller | every other request, every export of theirs | rows of the people it is told |

The last three own nothing. They log in with a secret of their own, made from the owner's, so that nothing that is done
there can become more. Where that is not to be had (an address without a password, a server that does not let them in)
the owner logs in and becomes the role before its first statement.
"""

import contextlib
import hashlib
import hmac
import logging

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from becalm_protocol.errors import ConfigError, StorageError
from becalm_protocol.events import value
from becalm_server.archive.roles import Role, role_names

log = logging.getLogger(__name__)

CONNECT_LIMIT_S = 5


@value
class Entrances:
    """Addresses of one database; each holds a secret: for our own processes only."""

    owner: str
    server: str
    gate: str
    caller: str


def open_entrances(url: str) -> Entrances:
    """Return the entrances of a migrated database. Raises StorageError, or ConfigError where a role may too much."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_LIMIT_S) as owner:
            names = role_names(owner)
            server, gate, caller = (_entrance(url, role, name=names[role], owner=owner) for role in Role)
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__}. It may be restarting; try again") from exc
    return Entrances(owner=url, server=server, gate=gate, caller=caller)


def with_options(url: str, more: str) -> str:
    """Return the value of `options` for a connection: those that an address names, and more."""
    return f"{conninfo_to_dict(url).get('options') or ''} {more}".strip()


def _entrance(url: str, role: Role, *, name: str, owner: psycopg.Connection) -> str:
    secret = _secret(url, name)
    path = "-c search_path=seen,public" if role is Role.CALLER else ""
    login = make_conninfo(url, user=name, password=secret, options=with_options(url, path))
    if _lets_in(login):
        return login
    with contextlib.suppress(psycopg.Error):  # the role may be somebody else's, who only let us become it
        _let_log_in(owner, name, secret=secret)
        if _lets_in(login):
            return login
    becoming = make_conninfo(url, options=with_options(url, f"-c role={name} {path}"))
    if _lets_in(becoming):
        log.info("the database lets nobody log in as %s: the owner logs in and becomes it", name)
        return becoming
    raise StorageError(f"database: expected to enter it as {name}, was refused. Its log tells why")


def _let_log_in(owner: psycopg.Connection, name: str, *, secret: str | None) -> None:
    """Give a role its secret; not where it has that of another owner's server, which would be locked out."""
    ours = f"logs in with a secret of {owner.info.user}"
    row = owner.execute(
        "select rolcanlogin, shobj_description(oid, 'pg_authid') from pg_roles where rolname = %s", (name,)
    ).fetchone()
    if row is None or (row[0] and row[1] != ours):
        return
    statement = sql.SQL("alter role {} login").format(sql.Identifier(name))
    if secret is not None:
        # The digest goes there, not the secret: servers may log statements.
        stored = owner.pgconn.encrypt_password(secret.encode(), name.encode(), b"scram-sha-256").decode()
        statement += sql.SQL(" password {}").format(stored)
    with owner.transaction():
        owner.execute(statement)
        owner.execute(sql.SQL("comment on role {} is {}").format(sql.Identifier(name), ours))


def _secret(url: str, name: str) -> str | None:
    password = conninfo_to_dict(url).get("password")
    if not password:
        return None
    return hmac.new(str(password).encode(), f"becalm entrance {name}".encode(), hashlib.sha256).hexdigest()


def _lets_in(entrance: str) -> bool:
    """Tell whether an entrance is open; a role behind it that may more than it should is an error."""
    try:
        with psycopg.connect(entrance, connect_timeout=CONNECT_LIMIT_S) as connection:
            row = connection.execute(
                "select rolname, rolsuper or rolbypassrls or rolcreaterole"
                " or exists (select from pg_class where relowner = pg_roles.oid)"
                " from pg_roles where rolname = current_user"
            ).fetchone()
    except psycopg.OperationalError:
        return False
    if row is None or row[1]:
        role = row[0] if row else "of ours"
        raise ConfigError(
            f"expected a role {role} that owns nothing and is no superuser, got more", setting="database_url"
        )
    return True
