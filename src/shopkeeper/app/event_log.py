"""The log of events of a shop: its file, the process that writes it, and whether that answers."""

import socket

from shopkeeper.app.shop import Shop
from shopkeeper.storage.log_client import LogClient, batches_waiting
from shopkeeper.storage.log_file import noted_writer
from shopkeeper.storage.log_place import socket_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_service import run_log

__all__ = ["LOG_FILE", "client_of", "is_written", "reader_of", "waiting", "write_log", "writer_pid"]

LOG_FILE = "log.db"


def write_log(shop: Shop) -> None:
    """Writes the log of a shop until SIGTERM: there is one such process to a shop.

    Raises:
        ConflictError: Another process writes it.
        StorageError: The disk failed; what was acknowledged is durable.
    """
    file = shop.folder / LOG_FILE
    shop.close()
    run_log(file, socket_of(file))


def is_written(shop: Shop) -> bool:
    """Whether a process writes the log and takes events."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        return tried.connect_ex(str(socket_of(shop.folder / LOG_FILE))) == 0


def waiting(shop: Shop) -> int:
    """How many batches await their commit.

    Raises:
        UnavailableError: The process that writes the log is away, or does not answer.
    """
    return batches_waiting(socket_of(shop.folder / LOG_FILE))


def writer_pid(shop: Shop) -> int | None:
    """The process that writes the log, as it noted it; it may be gone."""
    return noted_writer(shop.folder / LOG_FILE)


def client_of(shop: Shop) -> LogClient:
    """What sends to the process that writes the log, from one event loop."""
    return LogClient(socket_of(shop.folder / LOG_FILE))


def reader_of(shop: Shop) -> LogReader:
    """What reads the log.

    Raises:
        MissingError: There is no log yet.
    """
    return LogReader(shop.folder / LOG_FILE)
