"""What this bundle is, and which database it was built for. Tests hold both to pyproject.toml and sql/migrations."""

VERSION = "0.1.0"
SCHEMA_VERSION = "20261126100000"  # the newest migration: functions of an older database may be missing
