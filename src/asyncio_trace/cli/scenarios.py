"""`asyncio-trace scenarios`: the list, and what each teaches."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """List the scenarios, one line each."""
    from asyncio_trace.scenarios.registry import available

    scenarios = available()
    width = max(map(len, scenarios), default=0)
    for name, scenario in scenarios.items():
        click.echo(f"{name:<{width}}  {scenario.summary}")
