"""Forks workers from a process that has imported everything: `python -m tests.chaos.zygote FD`.

Importing costs 0.7 s, a fork a few milliseconds. Nothing here may start a thread or open a connection before it forks.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from tests.chaos import children

LARGEST_ORDER = 65_536


def main() -> NoReturn:
    """Takes orders, each with the end of a new worker's line, and answers its process id, until its parent leaves."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    children.prepare()
    gc.freeze()  # what is shared stays shared: no worker walks through it
    while True:
        order, lines, _, _ = socket.recv_fds(orders, LARGEST_ORDER, 1)
        if not order:
            os.killpg(0, signal.SIGKILL)  # whoever is left of its workers, frozen ones too, and itself
        _bury_the_dead()
        pid = os.fork()
        if pid == 0:
            orders.close()
            _live(json.loads(order), socket.socket(fileno=lines[0]))
        os.close(lines[0])  # the end of a line must be the end of its worker
        orders.sendall(f"{pid}\n".encode())


def _live(order: children.Order, line: socket.socket) -> None:
    """The worker's life; it never returns into the loop that it was forked from."""
    status = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        children.live(order, line)
        status = 0
    except BaseException:  # whatever it was, the process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _bury_the_dead() -> None:
    """Only now: until then no other process can have the number of one that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main()
