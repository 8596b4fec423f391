"""Clients of the standard library, in threads."""

from __future__ import annotations

import smtplib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

CLIENTS = 8
ROUNDS = 10

Answer = tuple[int, str | None, bytes]


def over_http(port: int, requests: list[tuple[str, str, bytes | None]], *, keep_alive: bool = True) -> list[list[Answer]]:
    """Each client sends the requests, in order, a few times over one connection (or new ones); the answers."""

    def client(_: int) -> list[Answer]:
        answers = []
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            for method, path, body in requests * ROUNDS:
                connection.request(method, path, body)
                response = connection.getresponse()
                answers.append((response.status, response.headers.get("Content-Type"), response.read()))
                if not keep_alive:
                    connection.close()
        finally:
            connection.close()
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(client, range(CLIENTS)))


def over_smtp(port: int) -> list[list[tuple[int, bytes]]]:
    """Each client sends mail, a few at a time and one after the other; the server's replies."""

    def client(number: int) -> list[tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=30) as smtp:
            replies = [smtp.helo()]
            for mail in range(ROUNDS):
                replies += [smtp.mail(f"{number}@example.org"), smtp.rcpt(f"{mail}@example.org")]
                replies += [smtp.data(f"Subject: {number}\r\n\r\n" + "line\r\n" * 50)]
            return [*replies, smtp.docmd("nonsense")]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(client, range(CLIENTS)))
