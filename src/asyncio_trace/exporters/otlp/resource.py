"""What the spans come from: the traced program, as OpenTelemetry's SDK describes a resource."""

from __future__ import annotations

import socket
import sys
import uuid
from importlib import metadata
from typing import cast

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from asyncio_trace.exporters.otlp.describe import program_name
from asyncio_trace.exporters.otlp.encode import EncodedValue, Origin
from asyncio_trace.exporters.otlp.span import Attributes
from asyncio_trace.model import Program

SCOPE = "asyncio_trace"
"""Name of the instrumentation scope."""


def resource_of(program: Program) -> Resource:
    """The resource. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what the trace says."""
    host = socket.gethostname()
    attributes: Attributes = {
        "service.name": program_name(program),
        # The same recording sent twice is the same instance.
        "service.instance.id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{host}/{program.pid}/{program.started_unix_ns}")),
        # Without it Jaeger takes each span for another machine's and warns about clocks.
        "host.name": host,
        "process.pid": program.pid,
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": program.python,
    }
    own = {key: _clean(value) if isinstance(value, str) else value for key, value in attributes.items() if value != ""}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})


def origin_of(program: Program) -> Origin:
    """The resource, and the scope of our spans, as they are encoded."""
    resource = resource_of(program)
    attributes = cast(dict[str, EncodedValue], dict(resource.attributes))
    return Origin(attributes, SCOPE, metadata.version("asyncio-trace"), resource.schema_url)


def _clean(text: str) -> str:
    """Without lone surrogates, which undecodable file names have and protobuf has no place for."""
    return text.encode("utf-8", "backslashreplace").decode()
