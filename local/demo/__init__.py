"""`python -m local demo`: a batch from creation to end on a stack of its own, and what the provider saw of it."""

from local.demo.command import main as main
