"""`caer-data doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter
from caer_data.report.installation import Finding, Status, examine

_NAME_WIDTH: Final = 41  # of the longest model file


@click.command(name="doctor")
@common.as_json
def command(as_json: bool) -> int:
    """Check what is installed, what is missing and how to install it.

    The exit code is 0 if everything that the default build needs works, otherwise 1.
    """
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _print(finding)
    healthy = all(finding.status != "missing" for finding in findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        Reporter("json").result({"ok": healthy, "findings": rows})
    else:
        click.echo(
            "\nEverything that the default build needs is installed."
            if healthy
            else "\nThe default build needs what is marked 'missing'; run the commands after '>'."
        )
    return 0 if healthy else 1


def _print(finding: Finding) -> None:
    colours: dict[Status, str] = {"ok": "green", "missing": "red", "warning": "yellow"}
    status = click.style(f"{finding.status:<8}", fg=colours.get(finding.status))
    click.echo(f"{status}  {finding.name:<{_NAME_WIDTH}}  {finding.found}")
    if finding.fix:
        click.echo(f"{'':8}  {'':{_NAME_WIDTH}}  > {finding.fix}")
