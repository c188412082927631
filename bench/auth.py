"""Measures what it costs to know who asks: tokens beside none, sign-ins beside bare argon2, and beside reads."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
from argon2 import PasswordHasher

from app.settings import Settings
from bench.machine import require_wrk, this_machine
from bench.report import Bar, Cell, Report
from bench.shop import API, Catalogue, Shop, open_shop, ten_thousand
from bench.wrk import Sample, run_wrk, write_requests

GUEST: Final = "a cart, anonymous (X-Cart-Token)"
SIGNED_IN: Final = "a cart, signed in"
ARGON: Final = "bare argon2 checks"
SIGN_INS: Final = "sign-ins"
READS: Final = "cached books"
READS_BESIDE: Final = "cached books while sign-ins are saturated"

_SIGNED: Final = Path(__file__).with_name("signed.lua")
_PEOPLE: Final = 40
_CONNECTIONS: Final = 16
_PASSWORD: Final = "seven lamps by the harbour"  # noqa: S105  nobody's


@dataclass(frozen=True)
class Files:
    """What wrk asks for."""

    guest: Path
    signed_in: Path
    sign_ins: Path
    reads: Path


def auth(*, seconds: float, rounds: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure on one replica, without HAProxy, and return the report."""
    require_wrk()
    machine = this_machine()
    with open_shop(catalogue or ten_thousand(), replicas=1) as shop:
        url, files = shop.replica_urls[0], _prepared(shop)
        settings = Settings(secret_key=shop.stack.environment["BOOKSTORE_SECRET_KEY"])
        taken: dict[str, list[Sample]] = {name: [] for name in (GUEST, SIGNED_IN, SIGN_INS, READS, READS_BESIDE)}
        bare: list[float] = []
        for _ in range(rounds):
            taken[GUEST].append(_run(url, files.guest, seconds))
            taken[SIGNED_IN].append(_run(url, files.signed_in, seconds))
            # The limit before and after what is beside it: a machine that drifts does so under both.
            before = checks_per_second(settings, seconds=seconds)
            taken[SIGN_INS].append(_run(url, files.sign_ins, seconds))
            bare.append((before + checks_per_second(settings, seconds=seconds)) / 2)
            taken[READS].append(_reads(url, files, seconds))
            with ThreadPoolExecutor(1) as beside:
                # Begun a second before and ended a second after what is measured.
                saturating = beside.submit(_run, url, files.sign_ins, seconds + 2)
                time.sleep(1)
                taken[READS_BESIDE].append(_reads(url, files, seconds))
                saturating.result()
    authenticated = median(
        mine.per_second / theirs.per_second for mine, theirs in zip(taken[SIGNED_IN], taken[GUEST], strict=True)
    )
    signing_in = median(mine.per_second / theirs for mine, theirs in zip(taken[SIGN_INS], bare, strict=True))
    slowed = median(mine.p99_ms / theirs.p99_ms for mine, theirs in zip(taken[READS_BESIDE], taken[READS], strict=True))
    return Report(
        title=f"Knowing who asks: {rounds} rounds of {seconds:g} s each, one replica, no HAProxy",
        command=command,
        machine=machine,
        columns=("", "requests/s", "ratio", "p50 ms", "p99 ms", "bar"),
        rows=[
            _row(GUEST, taken[GUEST]),
            _row(SIGNED_IN, taken[SIGNED_IN], authenticated, "≥ 0.8"),
            [ARGON, median(bare), None, None, None, None],
            _row(SIGN_INS, taken[SIGN_INS], signing_in, "≥ 0.85"),
            _row(READS, taken[READS]),
            _row(READS_BESIDE, taken[READS_BESIDE], slowed, "p99 ratio ≤ 3"),
        ],
        bars=[
            Bar("signed in, beside anonymous at the same endpoint", authenticated, at_least=0.8),
            Bar("sign-ins, beside bare argon2", signing_in, at_least=0.85),
            Bar("p99 of cached reads while sign-ins are saturated, beside without", slowed, at_most=3),
            Bar("failed requests", sum(one.failed for samples in taken.values() for one in samples), at_most=0),
        ],
        notes=[
            f"argon2id: {settings.password_memory_kib} KiB, t={settings.password_time_cost}, p=1",
            f"{settings.password_threads} threads on both sides; {_PEOPLE} people sign in, in turn",
        ],
    )


def checks_per_second(settings: Settings, *, seconds: float) -> float:
    """Return how many passwords this machine checks by itself, with the shop's parameters and number of threads."""
    hasher = PasswordHasher(
        time_cost=settings.password_time_cost, memory_cost=settings.password_memory_kib, parallelism=1
    )
    kept = hasher.hash(_PASSWORD)
    begun = time.monotonic()

    def check() -> int:
        done = 0
        while time.monotonic() < begun + seconds:
            hasher.verify(kept, _PASSWORD)
            done += 1
        return done

    with ThreadPoolExecutor(settings.password_threads) as threads:
        counts = [threads.submit(check) for _ in range(settings.password_threads)]
        done = sum(count.result() for count in counts)
    return done / (time.monotonic() - begun)


def _prepared(shop: Shop) -> Files:
    run = shop.profile.run
    guests, people, sign_ins = [], [], []
    with httpx.Client(base_url=shop.replica_urls[0] + API, timeout=30) as client:
        for number in range(_PEOPLE):
            guests.append(_made(client.post("/carts"))["cart_token"])
            name = f"bench-{time.time_ns()}-{number}"
            body = {"email": f"{name}@example.com", "username": name, "password": _PASSWORD}
            people.append(_made(client.post("/auth/register", json=body))["access_token"])
            sign_ins.append(json.dumps({"login": name, "password": _PASSWORD}))
    return Files(
        guest=_lines(run / "guests.txt", [f"GET\t{API}/cart\tX-Cart-Token\t{token}\t" for token in guests]),
        signed_in=_lines(
            run / "signed-in.txt", [f"GET\t{API}/cart\tAuthorization\tBearer {token}\t" for token in people]
        ),
        sign_ins=_lines(run / "sign-ins.txt", [f"POST\t{API}/auth/login\t\t\t{body}" for body in sign_ins]),
        reads=write_requests(run / "hot.txt", shop.hot_books()),
    )


def _made(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


def _lines(file: Path, lines: list[str]) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def _run(url: str, requests: Path, seconds: float) -> Sample:
    return run_wrk(url, requests, seconds=seconds, connections=_CONNECTIONS, threads=1, script=_SIGNED)


def _reads(url: str, files: Files, seconds: float) -> Sample:
    return run_wrk(url, files.reads, seconds=seconds, connections=_CONNECTIONS, threads=1)


def _row(name: str, samples: list[Sample], ratio: float | None = None, bar: str | None = None) -> list[Cell]:
    return [
        name,
        median(one.per_second for one in samples),
        ratio,
        median(one.p50_ms for one in samples),
        median(one.p99_ms for one in samples),
        bar,
    ]
