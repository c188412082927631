"""The supervisor's control socket: one JSON line asks, JSON lines answer."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from stack.errors import NotRunningError, StackError

Message = dict[str, Any]
Handler = Callable[[Message], Awaitable[Message]]

_CONNECT_SECONDS = 5.0


class ControlServer:
    """Answers the CLI's questions with what the handler returns; a StackError travels back as its sentence."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the caller holds the profile's lock, so a socket that lies there is a dead one."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._converse, path=self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(json.dumps(await self._answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return  # who asked is gone
        finally:
            writer.close()

    async def _answer(self, question: Message) -> Message:
        try:
            return await self._handler(question)
        except StackError as error:
            return {"error": str(error)}


def ask(path: Path, question: Message, *, seconds: float = 60.0) -> Message:
    """Ask the supervisor and wait for its answer.

    Raises:
        NotRunningError: nobody listens.
        StackError: the supervisor's refusal, or its silence.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(str(path))
            connection.settimeout(seconds)
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunningError("nothing is running here; start it with: ./bookstore up") from error
        except TimeoutError as error:
            raise StackError(
                f"the supervisor doesn't answer within {seconds:.0f} s; see its log, or kill it and run up again"
            ) from error
        except ConnectionError:
            line = b""
    if not line:
        raise NotRunningError("the supervisor stopped while it was asked")
    answer: Message = json.loads(line)
    if "error" in answer:
        raise StackError(answer["error"])
    return answer
