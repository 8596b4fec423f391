"""Generated programs: each planted fault is found at its line, and nothing else is, in programs with faults as in healthy ones.

`python tests/findings/test_findings_generated.py 1000` runs as many of both, which takes some minutes; here there are fewer.
"""

from __future__ import annotations

import sys

import pytest

from findings.planted import FAULTS, HEALTHY, program
from findings.running import findings_of
from tracer.tracing import CORES

PROGRAMS = 48
"""Of each sort; every kind of fault comes up some times on each core."""


def core_of(seed: int) -> str:
    """The cores take turns, and each meets every kind of fault."""
    return CORES[seed // len(FAULTS) % len(CORES)]


def differences(seed: int, *, healthy: bool) -> list[str]:
    """What is missing, and what is too much."""
    made = program(seed, healthy=healthy)
    found = findings_of(made, core_of(seed))
    left = [(one.rule, one.at.line if one.at is not None else 0, one.message) for one in found]
    said = []
    for rule, line in made.faults:
        fitting = [one for one in left if one[:2] == (rule, line)]
        if fitting:
            left.remove(fitting[0])
        else:
            said.append(f"no {rule} at line {line}")
    return said + [f"{rule} at line {line}: {message}" for rule, line, message in left]


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_planted_faults_are_found_where_they_are(seed: int) -> None:
    """All of them, at their lines, and no others."""
    assert differences(seed, healthy=False) == []


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_healthy_programs_yield_nothing(seed: int) -> None:
    """Not even where they come close to a fault."""
    assert differences(seed, healthy=True) == []


def test_every_part_comes_up() -> None:
    """The programs that are run have each healthy part and each fault in them."""
    for healthy, parts in ((True, HEALTHY), (False, FAULTS)):
        text = "".join(program(seed, healthy=healthy).source for seed in range(PROGRAMS))
        assert [part.__name__ for part in parts if f"_{part.__name__}()" not in text] == []


def main(number: int) -> int:
    """Run as many programs of both sorts; how many were judged wrongly."""
    wrong = 0
    for healthy in (False, True):
        for seed in range(number):
            said = differences(seed, healthy=healthy)
            wrong += bool(said)
            for words in said:
                print(f"{'healthy' if healthy else 'planted'} {seed} ({core_of(seed)}): {words}")
    print(f"{2 * number} programs, {wrong} judged wrongly")
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]))))
