"""Programs that nobody here wrote, as clients of the sandbox and as gateways: `pytest -m peers`."""
