"""`python -m local.simulator [--host HOST] [--port PORT] [--seed N] [--config JSON|@FILE]`"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from pydantic import ValidationError

from local.simulator.app import application
from local.simulator.config import Config
from local.simulator.server import Server, bind


def main() -> None:
    """Serves until it is told to stop."""
    options = _options()
    try:
        config = _config(options.config, options.seed)
        bound = bind(options.host, options.port)
    except (OSError, ValidationError) as error:
        sys.exit(f"The simulator cannot start: {error}")
    # Calls are kept for good and make no cycles: walking all of them again and again would only make pauses.
    gc.set_threshold(20_000, 50, 100_000)
    Server(application(config), bound).run(sockets=[bound])


def _config(text: str, seed: int | None) -> Config:
    source = Path(text[1:]).read_text() if text.startswith("@") else text
    config = Config.model_validate_json(source)
    return config if seed is None else config.model_copy(update={"seed": seed})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.simulator", description="A stand-in for the Ultravox API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--config", default="{}", metavar="JSON|@FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
