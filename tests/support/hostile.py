"""Requests by hand, and what came back for them."""

from __future__ import annotations

import socket

import httpx2

from support.served import Server

GOOD = b'{"action":"a.read","actor":{"type":"user","id":"x"},"target":{"type":"t","id":"i"}}'


def ready(server: Server) -> bool:
    """Whether `/readyz` says yes."""
    return httpx2.get(f"{server.url}/readyz", timeout=10).status_code == 200


def raw(server: Server, request: bytes, token: str = "") -> bytes:
    """What comes back for the bytes of a request; `%A` is its Authorization header."""
    header = f"Authorization: Bearer {server.place.tokens[token]}\r\n" if token else ""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(request.replace(b"%A", header.encode()))
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except ConnectionError:
            pass
        return answer


def status_of(answer: bytes) -> int:
    """The status of a raw answer."""
    return int(answer.split(b" ", 2)[1])


def error_code(answer: httpx2.Response) -> str:
    """The code of an answer that is an error in the one shape."""
    code: str = answer.json()["error"]["code"]
    return code


def verified(server: Server) -> tuple[str, bool]:
    """What an auditor is told of the whole ledger: the verdict, and whether it is well."""
    with server.client("auditor") as auditor:
        run = auditor.post("/v1/verify", json={}).json()["id"]
        account = {"state": "running"}
        while account["state"] == "running":
            account = auditor.get("/v1/verify", params={"run": run}).json()
    return account["verdict"], account["ok"]
