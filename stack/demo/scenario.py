"""What happens in the failover demo, and when."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stack.errors import StackError
from stack.faults import Fault
from stack.hand_over import hand_over
from stack.load.run import Course
from stack.replica_set import ReplicaSet
from stack.running import Stack
from stack.secrets import load_secrets


class Blow(StrEnum):
    """What is done to the primary."""

    KILL = "kill"
    STOP = "stop"
    STEPDOWN = "stepdown"


WHAT_HAPPENS = {
    Blow.KILL: "killed (kill -9)",
    Blow.STOP: "frozen (SIGSTOP)",
    Blow.STEPDOWN: "made to step down",
}

_FAULT_SHARE, _HEAL_SHARE = 0.25, 0.62


@dataclass(frozen=True)
class Plan:
    """One demo: what is done to the primary, how long it takes, and how many requests a second there are."""

    blow: Blow
    seconds: float
    rate: float

    @property
    def fault_at(self) -> float:
        """When the primary is hit."""
        return self.seconds * _FAULT_SHARE

    @property
    def heal_at(self) -> float:
        """When it is brought back."""
        return self.seconds * _HEAL_SHARE


class Scenario:
    """The script of the demo; afterwards it knows who was hit, when, and when the next primary was elected."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan."""
        self.plan = plan
        self.victim = ""
        self.hit_at = 0.0
        self.elected_at: float | None = None
        self._hurt = False

    @property
    def _delay(self) -> float:
        # A hand-over is prepared first; what follows it comes as much later.
        return max(0.0, self.hit_at - self.plan.fault_at)

    @property
    def ended_at(self) -> float:
        """When the load ends."""
        return self.plan.seconds + self._delay

    async def __call__(self, course: Course) -> None:
        """Hit the primary, wait for the next one, heal, and end."""
        try:
            await course.until(self.plan.fault_at)
            await self._hit(course)
            course.phase = "no primary"
            successor = await course.primary_other_than(self.victim)
            course.note("elected", f"{successor} is primary")
            course.phase = f"without {self.victim}"
            await course.until(self.plan.heal_at + self._delay)
            await self._heal(course)
            course.phase = "healed"
            await course.until(self.ended_at)
            await self._ask_when_elected(course)
        finally:
            if self._hurt:
                with suppress(StackError):
                    await asyncio.shield(self._heal(course))

    async def _hit(self, course: Course) -> None:
        await _until_whole(course.stack)
        self.victim = course.primary or ""

        def now() -> None:
            self.hit_at = course.traffic.now()
            course.note("fault", f"{self.victim} is {WHAT_HAPPENS[self.plan.blow]}", at=self.hit_at)

        if self.plan.blow is Blow.STEPDOWN:
            await hand_over(_replica_set(course.stack), when_ready=now)
        else:
            self._hurt = True
            now()
            await asyncio.to_thread(course.stack.fault, Fault(self.plan.blow.value), self.victim)

    async def _heal(self, course: Course) -> None:
        match self.plan.blow:
            case Blow.KILL:
                course.note("heal", f"{self.victim} is started again")
                await asyncio.to_thread(course.stack.fault, Fault.RESTART, self.victim)
            case Blow.STOP:
                course.note("heal", f"{self.victim} goes on (SIGCONT)")
                await asyncio.to_thread(course.stack.fault, Fault.CONT, self.victim)
            case Blow.STEPDOWN:
                pass  # it follows the new primary by itself
        self._hurt = False

    async def _ask_when_elected(self, course: Course) -> None:
        moment: datetime | None = await _replica_set(course.stack).last_election()
        if moment is not None:
            elected_at = (moment.astimezone(course.began_at.tzinfo) - course.began_at).total_seconds()
            self.elected_at = elected_at if elected_at >= self.hit_at else None


def _replica_set(stack: Stack) -> ReplicaSet:
    return ReplicaSet(ports=stack.profile.ports.mongo, secrets=load_secrets(stack.profile.folder.parent))


async def _until_whole(stack: Stack) -> None:
    status = await asyncio.to_thread(stack.status)
    roles = sorted(str(row["role"]) for row in status["processes"] if row["kind"] == "mongod")
    if roles != ["primary", "secondary", "secondary"]:
        raise StackError("the replica set isn't whole; bring it back first: ./bookstore restart mongo-1 (2, 3)")
