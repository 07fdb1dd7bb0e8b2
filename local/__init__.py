"""The local stack: every part of the cloud that Batchline needs, on one machine, and its command line."""
