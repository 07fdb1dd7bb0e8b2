"""The process behind SSM, S3 and SQS: moto's server, with the agencies' secrets, a private bucket and queues.

The seeding goes through `localstack-client`, so that AWS_ENDPOINT_URL may as well name a LocalStack.
"""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import Any

from localstack_client.session import Session  # pyright: ignore[reportMissingTypeStubs]
from moto.server import ThreadedMotoServer

from local import keys, queues
from local.aws import BUCKET, READY_LINE, REGION, parameters

CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def seed(stage: str, known: keys.Keys) -> None:
    """Puts the parameters where AWS_ENDPOINT_URL points, and the bucket, closed as serverless.yml closes it."""
    session: Any = Session("test", "test", region_name=REGION)
    ssm = session.client("ssm")
    for name, value in parameters(stage, known).items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    s3 = session.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(CLOSED, True))
    queues.make_all(session.client("sqs"))


def main() -> None:
    """Serves until SIGTERM. Arguments: the port, the keys file, the stage."""
    port, keys_file, stage = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request otherwise
    ThreadedMotoServer("127.0.0.1", port, verbose=False).start()
    seed(stage, keys.load_or_make(keys_file))
    print(READY_LINE, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
