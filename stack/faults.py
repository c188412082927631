"""What `fault` does to a process, and which process `primary`, `secondary` or `api` means."""

from collections.abc import Mapping
from enum import StrEnum

from stack.child import Child, State
from stack.errors import StackError


class Fault(StrEnum):
    """What can be done to a process."""

    KILL = "kill"
    STOP = "stop"
    CONT = "cont"
    RESTART = "restart"


GROUPS = ("primary", "secondary", "api")


class FaultDesk:
    """Carries out faults and remembers who was hit as what: `cont primary` means the one that `stop primary` hit."""

    def __init__(self, children: Mapping[str, Child]) -> None:
        self._children = children
        self._hit_as: dict[str, str] = {}

    async def apply(self, fault: Fault, target: str, *, roles: Mapping[str, str], ready_seconds: float) -> str:
        """Do it, and return the name of the process that it was done to.

        Raises:
            StackError: there is no such process, or it is in no state for this.
        """
        name = self.resolve(fault, target, roles=roles)
        child = self._children[name]
        async with child.turn:
            await _carry_out(fault, child, ready_seconds=ready_seconds)
        if fault in {Fault.KILL, Fault.STOP}:
            self._hit_as[name] = target
        else:
            self._hit_as.pop(name, None)
        return name

    def resolve(self, fault: Fault, target: str, *, roles: Mapping[str, str]) -> str:
        """The process that a name or a group's word means for this fault."""
        if target in self._children:
            return target
        if target not in GROUPS:
            raise StackError(f"there is no process {target!r}; there are {', '.join([*self._children, *GROUPS])}")
        if fault in {Fault.CONT, Fault.RESTART}:
            for name, word in self._hit_as.items():
                if word == target and (fault is Fault.RESTART or self._children[name].state is State.HUNG):
                    return name
        for name, child in self._children.items():
            fits = child.spec.kind == "api" if target == "api" else roles.get(name) == target
            if fits and child.state is State.RUNNING and child.pid is not None:
                return name
        raise StackError(f"there is no running {target} at the moment")


async def _carry_out(fault: Fault, child: Child, *, ready_seconds: float) -> None:
    match fault:
        case Fault.KILL:
            _require(child, child.state is not State.KILLED, "is dead already")
            await child.kill()
        case Fault.STOP:
            _require(child, child.pid is not None and child.state is not State.HUNG, "isn't running")
            child.hang()
        case Fault.CONT:
            _require(child, child.state is State.HUNG, "isn't stopped")
            child.resume()
        case Fault.RESTART:
            await child.stop()
            await child.start()
            await child.wait_ready(seconds=ready_seconds)


def _require(child: Child, condition: bool, otherwise: str) -> None:  # noqa: FBT001  reads as a sentence where it is called
    if not condition:
        raise StackError(f"{child.spec.name} {otherwise}")
