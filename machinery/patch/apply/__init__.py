"""Server-side apply and field ownership (structured merge)."""

from machinery.patch.apply.managed import entries_for_write, update_managed_fields
from machinery.patch.apply.server_side import apply

__all__ = ["apply", "entries_for_write", "update_managed_fields"]
