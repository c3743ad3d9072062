"""The console's menu."""

from dataclasses import dataclass

from shopkeeper.web.language import N_

__all__ = ["NAVIGATION", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu.

    Args:
        path: Where it leads.
        label: What it is called.
        icon: Which icon it bears.
        permission: What its page asks for.
        group: Entries of one group stand together.
    """

    path: str
    label: str
    icon: str
    permission: str
    group: int = 0

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
    Place("/sources", N_("Sources"), "sources", "data.read", 1),
    Place("/data", N_("Data"), "data", "data.read", 1),
    Place("/requests", N_("Requests"), "requests", "requests.manage", 2),
    Place("/consent-texts", N_("Consent texts"), "consent", "consent.write", 2),
    Place("/keys", N_("API keys"), "key", "keys.manage", 2),
    Place("/web-hooks", N_("Web hooks"), "hook", "hooks.manage", 2),
    Place("/users", N_("Users"), "user", "users.manage", 2),
    Place("/audit", N_("Audit log"), "check", "audit.read", 2),
)
