"""From a trace to other formats and places, one a folder. What they must offer is in `asyncio_trace.exporters.protocol`."""
