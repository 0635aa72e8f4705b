"""One test machine: a qemu process, its console in a file, and a control port through which commands run in it.

    with Machine(image, disk, folder, "vm1", address="10.77.0.1/24", links=[...]) as machine:
        machine.wait_booted()
        print(machine.run("uname", "-r").output)

Disks are never written to: what a machine changes is gone with it. A machine ends with the process that started it,
and by itself after `life_s` at the latest.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from vm_image import QEMU, Image, choose_accelerator

_PR_SET_PDEATHSIG = 1


class MachineFailed(Exception):
    """The machine did not boot or does not answer; str() holds the end of its console."""


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    output: str


def cable(folder: Path, name: str, listening: bool) -> str:
    """One end of a cable between two machines, as a qemu network back end: nothing of the host's network is used."""
    side = "server=on" if listening else "server=off"
    return f"stream,id=net0,{side},addr.type=unix,addr.path={folder / name}.sock"


class Machine:
    def __init__(
        self,
        image: Image,
        disk: Path,
        folder: Path,
        name: str,
        *,
        address: str = "",
        link: str = "",
        memory_mib: int = 1536,
        cpus: int = 2,
        life_s: int = 900,
    ) -> None:
        self.name = name
        self._console = folder / f"{name}.console"
        self._control = folder / f"{name}.control"
        self._socket: socket.socket | None = None
        self._rest = b""
        accelerator = choose_accelerator(image)
        words = f"console=ttyS0 quiet panic=-1 kctl.name={name}" + (f" kctl.ip={address}" if address else "")
        command = [
            *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-accel", accelerator + (",thread=multi" if accelerator == "tcg" else "")),
            *("-cpu", "host" if accelerator == "kvm" else "max"),
            *("-m", str(memory_mib), "-smp", str(cpus)),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", words),
            *("-serial", f"file:{self._console}"),
            *("-drive", f"file={image.root},format=raw,if=virtio,snapshot=on"),
            *("-drive", f"file={disk},format=raw,if=virtio,snapshot=on"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=control,path={self._control},server=on,wait=off"),
            *("-device", "virtserialport,chardev=control,name=kctl.control"),
        ]
        if link:
            mac = f"52:54:00:00:00:{int(address.partition('/')[0].rpartition('.')[2]):02x}"
            command += ["-netdev", link, "-device", f"virtio-net-pci,netdev=net0,mac={mac}"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=_die_with_parent,
        )
        self._end = threading.Timer(life_s, self._process.kill)
        self._end.daemon = True
        self._end.start()

    def wait_booted(self, timeout_s: float = 120) -> None:
        """Returns once it runs commands. Raises MachineFailed."""
        end = time.monotonic() + timeout_s
        while not self._control.exists():
            self._check(end)
            time.sleep(0.05)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(self._control))
        self.run("true", timeout_s=end - time.monotonic())

    def run(self, *argv: str, timeout_s: float = 60, input: str = "") -> Done:
        """Runs a command in /project and waits for it; code 124 when it took too long. Raises MachineFailed."""
        assert self._socket is not None, "wait_booted comes first"
        request = {"argv": argv, "timeout_s": timeout_s, "input": input}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        end = time.monotonic() + timeout_s + 30
        while b"\n" not in self._rest:
            self._check(end)
            self._socket.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                piece = self._socket.recv(1 << 20)
                if not piece:
                    raise MachineFailed(f"{self.name} hung up: {self._told()}")
                self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return Done(**json.loads(line))

    def shell(self, script: str, timeout_s: float = 60) -> str:
        """Runs a script; its output without the last line's end. Raises AssertionError where it fails."""
        done = self.run("sh", "-c", script, timeout_s=timeout_s)
        assert done.code == 0, f"{self.name}: `{script}` ended with {done.code}:\n{done.output}"
        return done.output.rstrip("\n")

    def power_off(self) -> None:
        """From one moment to the next, as when the cable is pulled."""
        self._end.cancel()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._socket:
            self._socket.close()
        if self._process.stderr:
            self._process.stderr.close()

    def _check(self, end: float) -> None:
        if self._process.poll() is not None:
            words = self._process.stderr.read().decode(errors="replace") if self._process.stderr else ""
            raise MachineFailed(f"{self.name} ended: {words.strip()} {self._told()}")
        if time.monotonic() > end:
            raise MachineFailed(f"{self.name} does not answer: {self._told()}")

    def _told(self) -> str:
        lines: Sequence[str] = (
            self._console.read_text(errors="replace").splitlines() if self._console.exists() else ()
        )
        return "\n".join(lines[-25:])

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.power_off()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
