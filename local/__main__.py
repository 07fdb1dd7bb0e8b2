"""The command line of the local stack: `python -m local --help` lists its commands."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from local import commands
from local.processes import LocalError
from local.running import FOLDER
from local.stack import FIRST_PORT

if TYPE_CHECKING:
    from collections.abc import Callable


def parser() -> argparse.ArgumentParser:
    """The arguments; `run` is the command's function."""
    top = argparse.ArgumentParser(prog="python -m local", description="The local stack.")
    top.add_argument("--folder", type=Path, default=FOLDER, help="where the stack keeps its state")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=help_text)
        added.set_defaults(run=run)
        return added

    up = command("up", commands.up, "start the stack in the background")
    up.add_argument("--port", type=int, default=FIRST_PORT, help="the first of its ports; 0 takes free ones")
    up.add_argument("--every", type=seconds, default=0.0, help="seconds between runs of the processors, such as 2s")
    up.add_argument("--queue", action="store_true", help="feed the processors by queues, an agency to a message")
    command("down", commands.down, "stop the stack")
    command("status", commands.status, "say what runs")
    command("reset", commands.reset, "make a fresh database")
    logs = command("logs", commands.logs, "show the last lines of the logs")
    logs.add_argument("part", nargs="?", help="one part only")
    logs.add_argument("-n", "--lines", type=int, default=20)
    token = command("token", commands.token, "print a token of a user")
    token.add_argument("email")
    _add_why_arguments(command("why", commands.why, "print what became of a contact, and why"))
    _add_invoke_arguments(command("invoke", commands.invoke, "run one function in this process, print its answer"))
    document = command("openapi", openapi, "write docs/openapi.json")
    document.add_argument("--check", action="store_true", help="only say whether it is what the code says")
    command("audit", audit, "look for known vulnerabilities in what the locks name")
    command("licences", licences, "write docs/licences.md")
    subparsers.add_parser("demo", help="a batch of 1,000 contacts, from creation to its end")  # main() takes it first
    return top


def _add_invoke_arguments(invoke: argparse.ArgumentParser) -> None:
    invoke.add_argument("name", help="the function's name in serverless.yml")
    invoke.add_argument("--as", dest="email", help="the user who calls")
    invoke.add_argument("--query", type=pair, action="append", default=[], metavar="NAME=VALUE")
    invoke.add_argument("--path", type=pair, action="append", default=[], metavar="NAME=VALUE")
    invoke.add_argument("--body", help="JSON, or @file with JSON")


def _add_why_arguments(why: argparse.ArgumentParser) -> None:
    why.add_argument("of", metavar="CONTACT_OR_NUMBER", help="a contact's id, a call's id or a phone number")
    why.add_argument("--agency", type=UUID, help="the id of the agency to look in; all agencies without it")
    why.add_argument("--json", action="store_true", help="print it as JSON")


def openapi(args: argparse.Namespace) -> int:
    return import_module("local.openapi.command").run(args)  # the other commands need not load every handler


def audit(args: argparse.Namespace) -> int:
    return import_module("local.audit").run(args)


def licences(args: argparse.Namespace) -> int:
    return import_module("local.licences").run(args)


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main(argv: list[str]) -> int:
    """Runs a command and returns the exit status; what goes wrong is said in one sentence."""
    try:
        if argv[:1] == ["demo"]:
            return import_module("local.demo").main(argv[1:])
        args = parser().parse_args(argv)
        return args.run(args)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
