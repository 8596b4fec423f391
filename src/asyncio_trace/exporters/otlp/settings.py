"""Where and how to send: the target that the user named, and the standard OTEL_* variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from asyncio_trace.errors import UsageError

Protocol = Literal["grpc", "http/protobuf"]

MAX_TIMEOUT_S = 20.0
"""The longest that one batch may take, so that a dead collector is given up in 30 s whatever OTEL_EXPORTER_OTLP_TIMEOUT says.

The specification counts that variable in milliseconds, the Python SDK in seconds: 10000, right for one, is hours for the other.
"""
DEFAULT_TIMEOUT_S = 10.0
TRACES_PATH = "/v1/traces"
METRICS_PATH = "/v1/metrics"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything needed to send; headers and certificates are read by the OpenTelemetry exporters themselves."""

    protocol: Protocol
    endpoint: str
    """As the OpenTelemetry exporter of that protocol takes it; for HTTP the full URL."""
    timeout_s: float
    """For one batch, retries included."""
    compression: Literal["none", "gzip", "deflate"]

    @property
    def shown(self) -> str:
        """The endpoint as messages show it: without a password that the URL may hold."""
        parts = urlsplit(self.endpoint)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else self.endpoint


def is_disabled(environ: Mapping[str, str] | None = None) -> bool:
    """True if OTEL_SDK_DISABLED asks for silence: nothing is to be sent then."""
    return (os.environ if environ is None else environ).get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def resolve(target: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Decide where to send.

    Args:
        target: The URL that the user named, or "" to go by the environment, and by the standard's defaults in the end.
        environ: The environment; the process's own by default.

    Raises:
        UsageError: The target or a variable makes no sense.
    """
    env = os.environ if environ is None else environ
    explicit = _protocol(env)
    traces_url, base_url = _first(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), _first(env, "OTEL_EXPORTER_OTLP_ENDPOINT")
    said_by = "the endpoint"
    if target:
        base_url, traces_url = target, None
    elif traces_url or base_url:
        said_by = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if traces_url else "OTEL_EXPORTER_OTLP_ENDPOINT"
    url = traces_url or base_url
    protocol: Protocol = explicit or ("http/protobuf" if url and _looks_like_http(url) else "grpc")
    if url is None:
        endpoint = "http://localhost:4317" if protocol == "grpc" else f"http://localhost:4318{TRACES_PATH}"
    else:
        # gRPC knows other forms of address (unix:path, host:port), which the variables may hold but the command line may not.
        if target or protocol != "grpc" or "://" in url:
            _check_url(url, said_by)
        # The standard: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it stands, all else is a base for the path.
        endpoint = url if protocol == "grpc" or traces_url else _with_path(url)
    for name in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
        _check_file(env, name)
    return Settings(protocol, endpoint, _timeout_s(env), _compression(env))


def _first(env: Mapping[str, str], *names: str) -> str | None:
    """The first variable that is set and not empty; the standard treats empty as unset."""
    return next((value for name in names if (value := env.get(name, "").strip())), None)


def _both(env: Mapping[str, str], name: str) -> str | None:
    return _first(env, f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}")


def _protocol(env: Mapping[str, str]) -> Protocol | None:
    match _both(env, "PROTOCOL"):
        case None:
            return None
        case "grpc":
            return "grpc"
        case "http/protobuf":
            return "http/protobuf"
        case other:
            raise UsageError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {other!r}: choose grpc or http/protobuf")


def _compression(env: Mapping[str, str]) -> Literal["none", "gzip", "deflate"]:
    match (_both(env, "COMPRESSION") or "none").lower():
        case "none":
            return "none"
        case "gzip":
            return "gzip"
        case "deflate":
            return "deflate"
        case other:
            raise UsageError(f"OTEL_EXPORTER_OTLP_COMPRESSION is {other!r}: choose gzip, deflate or none")


def _timeout_s(env: Mapping[str, str]) -> float:
    text = _both(env, "TIMEOUT")
    if text is None:
        return DEFAULT_TIMEOUT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"OTEL_EXPORTER_OTLP_TIMEOUT is {text!r}: it must be a number above zero")
    return min(seconds, MAX_TIMEOUT_S)


def _check_file(env: Mapping[str, str], name: str) -> None:
    # Without the file the gRPC exporter would go on with the system's certificates, and the HTTP one fail with a traceback.
    path = _both(env, name)
    if path and not os.access(path, os.R_OK):
        raise UsageError(f"OTEL_EXPORTER_OTLP_{name} names a file that can't be read: {path}")


def _looks_like_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.port == 4318 or parts.path.rstrip("/").endswith(TRACES_PATH)
    except ValueError:
        return False


def _check_url(url: str, said_by: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        good = False
    if not good or any(character.isspace() for character in url):
        raise UsageError(f"{said_by} {url!r} is not a URL such as http://localhost:4317")


def _with_path(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(TRACES_PATH) else path + TRACES_PATH))
