"""What is written down about a run: log lines as JSON, metrics in CloudWatch's embedded format, both on stdout."""

from __future__ import annotations

import logging
import re

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

SERVICE = "batchline"
PHONE_NUMBER = re.compile(r"(?:\+|%2[Bb])[1-9]\d{2,10}(?=\d{4}(?!\d))")


def mask_phone_numbers(text: str) -> str:
    """Leave the last four digits of every E.164 number in `text`, also of those in a URL."""
    return PHONE_NUMBER.sub("…", text)


class MaskingFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON line, masked as a whole: message, extra keys and traceback alike."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line that is written."""
        return mask_phone_numbers(super().format(record))


logger = Logger(service=SERVICE, logger_formatter=MaskingFormatter(utc=True, use_rfc3339=True))

# With the root logger at DEBUG, as an account's settings may have it, they would write what they send and are sent.
for library in ("boto3", "botocore", "httpcore", "httpx", "urllib3"):
    logging.getLogger(library).setLevel(logging.WARNING)


def count(function: str, **metrics: float) -> None:
    """Write one metrics line: each keyword is a count of the function, such as calls_started=12, or its …_seconds."""
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit  # user-facing functions do without

    line = EphemeralMetrics(namespace="Batchline", service=SERVICE)
    line.add_dimension(name="function", value=function)
    for name, value in metrics.items():
        unit = MetricUnit.Seconds if name.endswith("_seconds") else MetricUnit.Count
        line.add_metric(name=name, unit=unit, value=value)
    line.flush_metrics()
