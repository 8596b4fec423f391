"""Where to send: targets, variables, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncio_trace.errors import UsageError
from asyncio_trace.exporters.otlp.exporter import OtlpExporter
from asyncio_trace.exporters.otlp.settings import is_disabled, resolve


@pytest.mark.parametrize(
    ("target", "environ", "protocol", "endpoint"),
    [
        ("", {}, "grpc", "http://localhost:4317"),
        ("", {"PROTOCOL": "http/protobuf"}, "http/protobuf", "http://localhost:4318/v1/traces"),
        ("http://h:4317", {}, "grpc", "http://h:4317"),
        ("http://h:4318", {}, "http/protobuf", "http://h:4318/v1/traces"),
        ("https://h/v1/traces", {}, "http/protobuf", "https://h/v1/traces"),
        ("https://h/base/", {"PROTOCOL": "http/protobuf"}, "http/protobuf", "https://h/base/v1/traces"),
        ("http://h:4318", {"PROTOCOL": "grpc"}, "grpc", "http://h:4318"),
        ("http://h:4317", {"ENDPOINT": "http://x:1", "TRACES_ENDPOINT": "http://y:1"}, "grpc", "http://h:4317"),
        ("", {"ENDPOINT": "http://x:4318/"}, "http/protobuf", "http://x:4318/v1/traces"),
        ("", {"ENDPOINT": "http://x:1", "TRACES_ENDPOINT": "http://y:4318/own"}, "http/protobuf", "http://y:4318/own"),
        ("", {"ENDPOINT": "http://x:4317", "TRACES_PROTOCOL": "http/protobuf"}, "http/protobuf", "http://x:4317/v1/traces"),
        ("", {"ENDPOINT": "collector:4317"}, "grpc", "collector:4317"),
        ("", {"ENDPOINT": ""}, "grpc", "http://localhost:4317"),
        ("http://[::1]:4317", {}, "grpc", "http://[::1]:4317"),
    ],
)
def test_protocol_and_endpoint(target: str, environ: dict[str, str], protocol: str, endpoint: str) -> None:
    """The target wins over the variables, an explicit protocol over the port; HTTP gets its path."""
    found = resolve(target, {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()})
    assert (found.protocol, found.endpoint) == (protocol, endpoint)


@pytest.mark.parametrize(
    ("target", "environ", "names"),
    [
        ("localhost:4317", {}, "localhost:4317"),
        ("ftp://h:1", {}, "ftp://h:1"),
        ("http://", {}, "http://"),
        ("http://h:port", {}, "http://h:port"),
        ("http://h:99999", {}, "http://h:99999"),
        ("http://h h:1", {}, "http://h h:1"),
        ("http://[::1", {}, "http://[::1"),
        ("", {"ENDPOINT": "ftp://h:1"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("", {"PROTOCOL": "http/json"}, "http/json"),
        ("", {"COMPRESSION": "zstd"}, "zstd"),
        ("", {"TIMEOUT": "soon"}, "soon"),
        ("", {"TIMEOUT": "nan"}, "nan"),
        ("", {"TIMEOUT": "-1"}, "-1"),
        ("", {"CERTIFICATE": "/no/such/file"}, "/no/such/file"),
    ],
)
def test_nonsense_is_a_usage_error(target: str, environ: dict[str, str], names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad target or variable is one line that names it, before anything is loaded or sent."""
    for name, value in environ.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    with pytest.raises(UsageError) as caught:
        OtlpExporter().check(target)
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


def test_timeout_and_compression(tmp_path: Path) -> None:
    """Timeout and compression are read, those for traces first; a certificate that exists is fine."""
    certificate = tmp_path / "ca.pem"
    certificate.touch()
    environ = {"TIMEOUT": "3", "TRACES_TIMEOUT": "4.5", "COMPRESSION": "gzip", "CERTIFICATE": str(certificate)}
    found = resolve("", {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()})
    assert (found.timeout_s, found.compression) == (4.5, "gzip")


def test_messages_hide_passwords() -> None:
    """A password in the URL is used but never shown."""
    found = resolve("http://me:secret@h:4318/x", {})
    assert found.endpoint == "http://me:secret@h:4318/x/v1/traces"
    assert found.shown == "http://h:4318/x/v1/traces"


@pytest.mark.parametrize(("value", "disabled"), [("true", True), (" TRUE ", True), ("1", False), ("", False)])
def test_disabled_only_by_true(value: str, disabled: bool) -> None:
    """The standard knows only `true`, in any case."""
    assert is_disabled({"OTEL_SDK_DISABLED": value}) is disabled
