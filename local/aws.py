"""SSM, S3 and SQS of the stack: how boto3 is led there, and the agencies' secrets that SSM holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from local.demo_data import AGENCIES

if TYPE_CHECKING:
    from local.keys import Keys

REGION = "us-east-1"
ACCOUNT = "123456789012"  # moto's
BUCKET = "batchline-local"
READY_LINE = "aws is ready"


def environment(endpoint: str) -> dict[str, str]:
    """What leads boto3 there and nowhere else: no profile, no role of the machine, no file with real keys."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "STORAGE_BUCKET": BUCKET,
    }


def parameters(stage: str, known: Keys) -> dict[str, str]:
    """Name and value of each parameter that an agency has."""
    found: dict[str, str] = {}
    for agency in AGENCIES:
        secrets, path = known.agencies[agency.slug], f"/batchline/{stage}/agencies/{agency.id}"
        found[f"{path}/ultravox-api-key"] = secrets.ultravox_api_key
        found[f"{path}/ultravox-webhook-secret"] = secrets.webhook_secret
    return found


def queue_name(function: str) -> str:
    """The queue of a function."""
    return f"batchline-local-{function}"


def queue_url(endpoint: str, function: str) -> str:
    """DISPATCH_QUEUE_URL of a function."""
    return f"{endpoint}/{ACCOUNT}/{queue_name(function)}"
