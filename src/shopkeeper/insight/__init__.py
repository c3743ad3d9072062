"""What the numbers say: the morning report and why sales moved."""

from shopkeeper.insight.alignment import aligned_last_year
from shopkeeper.insight.driver import Drivers, drivers
from shopkeeper.insight.store_day import department_day, store_day

__all__ = ["Drivers", "aligned_last_year", "department_day", "drivers", "store_day"]
