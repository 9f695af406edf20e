"""A kernel that is far away: a proxy that delays what passes, and lets only so much through a second."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit


class Distance:
    """How far away it is; it may be changed while something passes."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of delay, each way
        self.bytes_a_second = float("inf")  # to the page and from it, all together
        self.received = 0  # bytes, by the page
        self._free_at = {True: 0.0, False: 0.0}
        self._lock = threading.Lock()

    def due(self, size: int, to_page: bool) -> float:
        """When so many bytes have arrived that leave now."""
        with self._lock:
            begins = max(time.monotonic(), self._free_at[to_page])
            self._free_at[to_page] = begins + size / self.bytes_a_second
            self.received += size * to_page
            return self._free_at[to_page] + self.seconds


@contextmanager
def proxy(url: str) -> Iterator[tuple[str, Distance]]:
    """The same server at another address, through which it is as far away as one likes."""
    server = (urlsplit(url).hostname, urlsplit(url).port)
    distance = Distance()
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        accepting = threading.Thread(target=_accept, args=(listening, server, distance, opened), daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", distance
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(listening: socket.socket, server: tuple[Any, Any], distance: Distance, opened: ExitStack) -> None:
    while True:
        try:
            page, _ = listening.accept()
        except OSError:  # it was closed
            return
        there = opened.enter_context(socket.create_connection(server))
        opened.enter_context(page)
        for source, target, to_page in ((page, there, False), (there, page, True)):
            arriving: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
            threading.Thread(target=_read, args=(source, arriving, distance, to_page), daemon=True).start()
            threading.Thread(target=_write, args=(target, arriving), daemon=True).start()


def _read(source: socket.socket, arriving: SimpleQueue, distance: Distance, to_page: bool) -> None:
    content = b"begin"
    while content:
        try:
            content = source.recv(4_096)
        except OSError:
            content = b""
        arriving.put((distance.due(len(content), to_page), content))


def _write(target: socket.socket, arriving: SimpleQueue) -> None:
    while True:
        due, content = arriving.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not content:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(content)
        except OSError:
            return
