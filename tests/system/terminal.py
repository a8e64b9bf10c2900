# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, as somebody at it sees it."""
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading

from worker import SERIN, until

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    def __init__(self, *words, columns=100, rows=30, environment=None):
        self.master, slave = pty.openpty()
        self._set_size(columns, rows)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([SERIN, *map(str, words)], stdin=slave, stdout=slave, stderr=slave,
                                        preexec_fn=own_terminal, env={**os.environ, **(environment or {})})
        os.close(slave)
        self.bytes = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(self.master, 65536):
                self.bytes += piece

    def _set_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self._set_size(columns, rows)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def text(self):
        return self.bytes.decode(errors="replace")

    def page(self):
        """The lines of the last page that was drawn whole."""
        text = self.text()
        end = text.rfind("\x1b[J")
        begin = text.rfind("\x1b[H", 0, end)
        return [] if begin < 0 else [line.strip("\r").removesuffix("\x1b[K") for line in text[begin + 3:end].split("\n")]

    def sees(self, word):
        return until(lambda: any(word in line for line in self.page()))

    def press_ctrl_c(self):
        os.write(self.master, b"\x03")

    def end(self):
        """The exit code, and what is left on the terminal when it is over."""
        code = self.process.wait(timeout=100)
        self.close()
        return code, self.text().rpartition(LEAVE)[2].replace("\r", "")

    def close(self):
        """Nothing of it is left, also when a test has failed."""
        if self.master is None:
            return
        self.process.kill()
        self.process.wait()
        self.reader.join(timeout=10)
        os.close(self.master)
        self.master = None
