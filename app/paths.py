"""Says where the API is."""

from typing import Final

API: Final = "/api/v1"
"""Every path of the contract begins so."""
