"""The process behind SSM, S3 and SQS: moto's server with the agencies' secrets in it.

The seeding goes through `localstack-client`, so that AWS_ENDPOINT_URL may as well name a LocalStack.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from localstack_client.session import Session
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from local import keys
from local.aws import READY_LINE, REGION, parameters


class SilentHandler(WSGIRequestHandler):
    """Connections are kept, and what went well is not worth a line."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code).startswith("5"):
            super().log_request(code, size)


def seed(stage: str, known: keys.Keys) -> None:
    """Puts the parameters where AWS_ENDPOINT_URL points."""
    session = Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106
    ssm = session.client("ssm")
    for name, value in parameters(stage, known).items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def main() -> None:
    """Serves until SIGTERM. Arguments: the port, the keys file, the stage."""
    port, keys_file, stage = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=SilentHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    seed(stage, keys.load_or_make(keys_file))
    print(READY_LINE, flush=True)
    thread.join()


if __name__ == "__main__":
    main()
