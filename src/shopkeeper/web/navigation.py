"""The console's menu."""

from dataclasses import dataclass

from shopkeeper.web.language import N_

__all__ = ["NAVIGATION", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu: where it leads, what it is called, which icon it bears, and what its page asks for."""

    path: str
    label: str
    icon: str
    permission: str

    def holds(self, path: str) -> bool:
        """Whether a page belongs to this entry."""
        return path == self.path if self.path == "/" else path == self.path or path.startswith(f"{self.path}/")


NAVIGATION = (
    Place("/", N_("Overview"), "wheel", "overview.read"),
    Place("/report", N_("Morning report"), "report", "report.read"),
    Place("/people", N_("People"), "people", "people.read"),
    Place("/segments", N_("Segments"), "segments", "segments.read"),
    Place("/campaigns", N_("Campaigns"), "campaigns", "campaigns.read"),
    Place("/models", N_("Models"), "models", "models.read"),
    Place("/requests", N_("Requests"), "report", "requests.manage"),
    Place("/data", N_("Data"), "data", "data.read"),
    Place("/keys", N_("API keys"), "key", "keys.manage"),
    Place("/audit", N_("Audit log"), "check", "audit.read"),
)
