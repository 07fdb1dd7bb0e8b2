"""SSM, S3 and SQS: moto's server with the agencies' secrets in it, in a process of its own.

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
from local.demo_data import AGENCIES

REGION = "us-east-1"
READY_LINE = "aws is ready"


class SilentHandler(WSGIRequestHandler):
    """Connections are kept, and what went well is not worth a line."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code).startswith("5"):
            super().log_request(code, size)


def parameters(stage: str, known: keys.Keys) -> dict[str, str]:
    """Name and value of each parameter that an agency has."""
    found: dict[str, str] = {}
    for agency in AGENCIES:
        secrets, path = known.agencies[agency.slug], f"/batchline/{stage}/agencies/{agency.id}"
        found[f"{path}/ultravox-api-key"] = secrets.ultravox_api_key
        found[f"{path}/ultravox-webhook-secret"] = secrets.webhook_secret
    return found


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
