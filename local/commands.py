"""What the commands of `python -m local` do. Each returns the exit status."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from local import functions, keys, running, supervisor
from local.demo_data import PASSWORD, USERS
from local.events import HttpRequest, to_event
from local.issuer import Issuer
from local.processes import LocalError
from local.users import Users

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping

    from local.functions import Event, Function

Pairs = list[tuple[str, str]]


def up(args: Namespace) -> int:
    """Starts the stack unless it runs, and prints where everything is."""
    if running.find(args.folder):
        print("The stack already runs.")
    else:
        supervisor.launch(args.folder, args.port, args.every, queue=args.queue)
        print("The stack runs.")
    print(*_description(args.folder), sep="\n")
    return 0


def down(args: Namespace) -> int:
    found = running.find(args.folder)
    if found is None:
        print("No stack runs.")
        return 0
    running.stop(found, args.folder)
    print("The stack has stopped.")
    return 0


def status(args: Namespace) -> int:
    found = running.require(args.folder)
    for name, pid in found.parts.items():
        print(f"{name:10} process {pid}")
    print(f"{'gateway':10} {running.read_env(args.folder)['SUPABASE_URL']}")
    return 0


def reset(args: Namespace) -> int:
    """Throws the database away; a running stack is stopped for it and started again as it was."""
    if "DATABASE_URL" in os.environ:
        raise LocalError("The server of DATABASE_URL is not ours to reset; unset DATABASE_URL to reset our own.")
    folder: Path = args.folder
    found = running.find(folder)
    if found:
        running.stop(found, folder)
    for name in ("postgres", "postgres.new"):
        shutil.rmtree(folder / name, ignore_errors=True)
    if found:
        supervisor.launch(folder, found.first_port, found.every, queue=found.queue)
    print("The database is fresh.")
    return 0


def logs(args: Namespace) -> int:
    folder: Path = args.folder / "logs"
    files = sorted(folder.glob(f"{args.part or '*'}.log"))
    if not files:
        raise LocalError(f"There is no log of {args.part or 'any part'} in {folder}.")
    for file in files:
        print(f"==> {file} <==", *file.read_text(errors="replace").splitlines()[-args.lines :], "", sep="\n")
    return 0


def token(args: Namespace) -> int:
    print(_token(args.folder, running.read_env(args.folder), args.email))
    return 0


def invoke(args: Namespace) -> int:
    """Calls the handler in this process, with the running stack's settings, and prints its answer as JSON."""
    env = running.read_env(args.folder)
    os.environ.update(env)
    known = functions.load()
    if args.name not in known:
        raise LocalError(f"There is no function {args.name}; there are {', '.join(sorted(known))}.")
    headers = [("content-type", "application/json")]
    if args.email:
        headers.append(("authorization", f"Bearer {_token(args.folder, env, args.email)}"))
    event = _event(known[args.name], headers, args.query, dict(args.path), _body(args.body))
    with redirect_stdout(sys.stderr):  # the function's own log
        answer = known[args.name].invoke(event)
    print(json.dumps(_readable(answer), indent=2, ensure_ascii=False))
    return 0


def why(args: Namespace) -> int:
    """Prints the trails of the contacts meant; local/why.py is loaded only for it."""
    return import_module("local.why").main(args.folder, args.of, args.agency, as_json=args.json)


def _event(function: Function, headers: Pairs, query: Pairs, path_parameters: Mapping[str, str], body: bytes) -> Event:
    if not function.routes:
        return function.schedules[0].event if function.schedules else json.loads(body or b"{}")
    route = function.routes[0]
    method = route.method if route.method != functions.ANY_METHOD else "POST" if body else "GET"
    path = route.path
    for name, value in path_parameters.items():
        path = path.replace(f"{{{name}}}", value)
    return to_event(HttpRequest(method, path, urlencode(query), headers, body), route, path_parameters)


def _body(given: str | None) -> bytes:
    if given is None:
        return b""
    try:
        return Path(given[1:]).read_bytes() if given.startswith("@") else given.encode()
    except OSError as error:
        raise LocalError(f"The body cannot be read: {error}.") from error


def _readable(answer: Any) -> Any:
    """The answer with a JSON body as JSON."""
    try:
        return {**answer, "body": json.loads(answer["body"])}
    except (KeyError, TypeError, ValueError):
        return answer


def _token(folder: Path, env: Mapping[str, str], email: str) -> str:
    users = Users(env["DATABASE_URL"])
    user = users.by_email(email)
    if user is None:
        raise LocalError(f"There is no user {email}; the demo users are {', '.join(USERS)}.")
    issuer = Issuer(f"{env['SUPABASE_URL']}/auth/v1", keys.load_or_make(folder / "keys.json"), users)
    return issuer.sign_in(user)["access_token"]


def _description(folder: Path) -> Iterable[str]:
    env = running.read_env(folder)
    yield ""
    yield f"  Supabase      {env['SUPABASE_URL']}"
    yield f"  functions     {env['FUNCTIONS_URL']}"
    yield f"  reference     {env['SUPABASE_URL']}/docs"
    yield f"  simulator     {env['ULTRAVOX_BASE_URL']}"
    yield f"  AWS           {env['AWS_ENDPOINT_URL']}"
    yield f"  database      {env['DATABASE_URL']}"
    yield f"  anon key      {env['SUPABASE_ANON_KEY']}"
    yield f"  service key   {env['SUPABASE_SERVICE_ROLE_KEY']}"
    yield f"  API key       {env['DEMO_API_KEY']}"
    yield f"    its secret  {env['DEMO_API_SECRET']}"
    yield f"  demo users    {', '.join(USERS)}"
    yield f"                password {PASSWORD}"
    yield ""
    yield f"All settings are in {running.env_file(folder)}; `make down` stops the stack."
