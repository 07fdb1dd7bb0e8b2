"""The operator's command line: `python -m ops COMMAND`, with the settings of the stage in the environment.

Secrets are asked for, or read from standard input; no argument holds one, since every user of a machine can see them.
"""

from __future__ import annotations

import argparse
import json
import sys
from getpass import getpass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from ops import commands
from ops.phone_numbers import e164
from shared.errors import AppError
from shared.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROLES = ("agency_owner", "agency_admin", "agency_member", "client_admin", "client_viewer")
LIMITS = (
    ("max-calls-per-minute", "calls that all batches together may begin in a minute"),
    ("max-concurrent-calls", "calls that may be live at once"),
    ("default-calls-per-minute", "the pace of batches made with an API key"),
    ("default-max-concurrent", "the concurrency of batches made with an API key"),
    ("max-requests-per-minute", "writing requests of one user or API key"),
)


def parser() -> argparse.ArgumentParser:
    """The arguments; `run` makes the answer of them."""
    top = argparse.ArgumentParser(prog="python -m ops", description=__doc__, allow_abbrev=False)
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], Mapping[str, Any]], text: str
    ) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.add_argument("--json", action="store_true", help="print the answer as JSON")
        added.set_defaults(run=run)
        return added

    def about_an_agency(
        name: str, run: Callable[[argparse.Namespace], Mapping[str, Any]], text: str
    ) -> argparse.ArgumentParser:
        added = command(name, run, text)
        added.add_argument("agency_id", type=UUID)
        return added

    add = command("agency-add", commands.agency_add, "make an agency, and the secret of its webhooks")
    add.add_argument("name")
    add.add_argument("--id", dest="agency_id", type=UUID, help="its id: the same command again then changes nothing")
    _add_limits(add)
    key = about_an_agency("agency-key-set", _with_key, "store the agency's key for the provider's API")
    key.add_argument("--unchecked", action="store_true", help="do not ask the provider whether it accepts the key")
    about_an_agency(
        "webhook-secret-rotate", commands.webhook_secret_rotate, "make a new secret; the old one counts for a day"
    )
    user = about_an_agency("user-add", _with_password, "let a person sign in, with a role in the agency")
    user.add_argument("email")
    user.add_argument("--role", choices=ROLES, default="agency_member")
    user.add_argument("--name", dest="full_name")
    number = about_an_agency("number-add", commands.number_add, "add a caller id")
    number.add_argument("phone_number", type=e164)
    number.add_argument("--provider", choices=("twilio", "telnyx", "plivo", "sip"), default="twilio")
    number.add_argument("--sip-domain")
    _add_limits(about_an_agency("limits-set", commands.limits_set, "change what the agency's plan allows"))
    return top


def _add_limits(to: argparse.ArgumentParser) -> None:
    for name, text in LIMITS:
        to.add_argument(f"--{name}", type=_positive, help=text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def _with_key(arguments: argparse.Namespace) -> Mapping[str, Any]:
    return commands.agency_key_set(arguments, _secret("The provider's API key: "))


def _with_password(arguments: argparse.Namespace) -> Mapping[str, Any]:
    return commands.user_add(arguments, _secret(f"The password of {arguments.email}: "))


def _secret(prompt: str) -> str:
    """From the terminal without showing it, or the first line of standard input."""
    secret = getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    if not secret.strip():
        raise commands.OpsError("Nothing was given")
    return secret.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it was done."""
    given = parser().parse_args(arguments)
    try:
        answer = given.run(given)
    except (commands.OpsError, AppError, SettingsError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except httpx.HTTPError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if given.json else "\n".join(_lines(answer)))
    return 0


def _lines(answer: Mapping[str, Any]) -> list[str]:
    width = max(map(len, answer))
    return [f"{name.replace('_', ' '):<{width}}  {'-' if value is None else value}" for name, value in answer.items()]


if __name__ == "__main__":
    sys.exit(main())
