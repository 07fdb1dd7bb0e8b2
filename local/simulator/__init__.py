"""A stand-in for the Ultravox API in a process of its own: strict like the real one, with faults on request and an
oracle that counts what it was asked to do.

`python -m local.simulator --port 0` serves it; `local.simulator.client.running()` starts one for a test or a benchmark.
"""
