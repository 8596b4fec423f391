"""A trace as OpenTelemetry spans, sent by OTLP to Jaeger or any other collector.

`span` holds the plain shapes; `layout`, `fold`, `describe` and `spans` map a trace to them and know nothing of OpenTelemetry;
`settings` reads where to send; `resource` says what the spans come from; `encode` makes requests; `send` sends; `exporter` ties
them together; `json_file` writes the same spans to a file.
"""
