"""Reads what replicas have logged about a request."""

import asyncio
import json
from pathlib import Path
from typing import Any


async def lines_of(request_id: str, *logs: Path) -> list[dict[str, Any]]:
    """Return every line with the request's id once its last one is there, which is written after the answer."""
    async with asyncio.timeout(60):
        while True:
            lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
            said = [one for one in map(json.loads, _json(lines)) if one.get("request_id") == request_id]
            if any(one["message"] == "answered" for one in said):
                return said
            await asyncio.sleep(0.05)


def _json(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("{") and line.endswith("}")]
