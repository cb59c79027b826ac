"""A TCP relay that remembers what it carried: who was told what before a connection broke."""

from __future__ import annotations

import re
import socket
import threading
from types import TracebackType

_HEADER = re.compile(rb"(\d+) ([a-z]+) (\d+)([ \n])")


class RelpRelay:
    """Carries RELP between a real sender and a server that may be killed meanwhile.

    `acknowledged` are the messages whose `200` went back to the sender, as they were sent.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.acknowledged: list[bytes] = []
        self._lock = threading.Lock()

    def __enter__(self) -> RelpRelay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._to), 5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        sent: dict[int, bytes] = {}
        way = (client, server, sent, False)
        threading.Thread(target=self._carry, args=way, daemon=True).start()
        self._carry(server, client, sent, True)

    def _carry(
        self, one: socket.socket, other: socket.socket, sent: dict[int, bytes], back: bool
    ) -> None:
        held = b""
        try:
            while data := one.recv(65_536):
                held = self._look(held + data, sent, back)
                other.sendall(data)
        except OSError:
            pass
        for link in (one, other):
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _look(self, text: bytes, sent: dict[int, bytes], back: bool) -> bytes:
        """Take whole frames off `text`: messages on the way there, answers on the way back."""
        at = 0
        while (found := _HEADER.match(text, at)) is not None:
            number, command, size = int(found[1]), found[2], int(found[3])
            start = found.end() if size else found.end() - 1
            if len(text) < start + size + 1:
                break
            data = text[start : start + size]
            if not back and command == b"syslog":
                sent[number] = data
            elif back and command == b"rsp" and data.startswith(b"200") and number in sent:
                with self._lock:
                    self.acknowledged.append(sent.pop(number))
            at = start + size + 1
        return text[at:]
