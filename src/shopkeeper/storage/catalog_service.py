"""A catalog that is a service of its own: REST, Hive or Glue, named by the scheme of its address."""

from collections.abc import Mapping, Sequence

from pyiceberg.catalog import AVAILABLE_CATALOGS, Catalog, CatalogType
from pyiceberg.exceptions import NotInstalledError

from shopkeeper.base.errors import ShopkeeperError, StorageError, UnavailableError

__all__ = ["DRIVER_ERRORS", "driver_error", "is_service", "open_service"]

_KINDS: Mapping[str, CatalogType] = {
    "http": CatalogType.REST,
    "https": CatalogType.REST,
    "thrift": CatalogType.HIVE,
    "glue": CatalogType.GLUE,
}

DRIVER_ERRORS: Mapping[str, type[ShopkeeperError]] = {
    "requests": UnavailableError,
    "urllib3": UnavailableError,
    "thrift": UnavailableError,
    "hive_metastore": StorageError,
    "boto3": UnavailableError,
    "botocore": UnavailableError,
}
"""What an error of the library that talks to a service is to a person, by the library's name: only REST's is sure to be
installed."""


def is_service(url: str) -> bool:
    """Whether an address is that of a service, not of a database."""
    return url.partition("://")[0] in _KINDS


def open_service(name: str, url: str, options: Sequence[str], io: str) -> Catalog:
    """Reaches a catalog service.

    Args:
        name: The catalog's name, which no service sees.
        url: `https://…` (REST), `thrift://host:9083` (Hive) or `glue://REGION`.
        options: PyIceberg's properties for it, each `name=value`: warehouse, token, credential and so on.
        io: The class that reads and writes files.

    Raises:
        UnavailableError: The library for it is not installed.
    """
    scheme, _, rest = url.partition("://")
    kind = _KINDS[scheme]
    place = ({"glue.region": rest} if rest else {}) if kind is CatalogType.GLUE else {"uri": url}
    given = dict(option.split("=", 1) for option in options)
    # Not `load_catalog`, which reads `~/.pyiceberg.yaml` and `PYICEBERG_*`: they belong to somebody else's catalogs.
    try:
        return AVAILABLE_CATALOGS[kind](name, {**given, **place, "type": kind.value, "py-io-impl": io})
    except NotInstalledError as error:
        raise UnavailableError(
            f"what talks to a {kind.value} catalog is not installed",
            next_step=f"pip install 'shopkeeper[{kind.value}]'",
        ) from error


def driver_error(error: BaseException) -> type[ShopkeeperError] | None:
    """What an error of a service's library is to a person; None if it is of no such library."""
    libraries = (kind.__module__.partition(".")[0] for kind in type(error).__mro__)
    return next((DRIVER_ERRORS[library] for library in libraries if library in DRIVER_ERRORS), None)
