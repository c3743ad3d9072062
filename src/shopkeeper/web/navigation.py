"""The console's menu."""

from dataclasses import dataclass

from shopkeeper.web.language import N_

__all__ = ["NAVIGATION", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu: where it leads, what it is called, which icon it bears."""

    path: str
    label: str
    icon: str

    def holds(self, path: str) -> bool:
        """Whether a page belongs to this entry."""
        return path == self.path if self.path == "/" else path == self.path or path.startswith(f"{self.path}/")


NAVIGATION = (
    Place("/", N_("Overview"), "wheel"),
    Place("/report", N_("Morning report"), "report"),
    Place("/people", N_("People"), "people"),
    Place("/segments", N_("Segments"), "segments"),
    Place("/campaigns", N_("Campaigns"), "campaigns"),
    Place("/models", N_("Models"), "models"),
    Place("/requests", N_("Requests"), "report"),
    Place("/data", N_("Data"), "data"),
)
