#!/usr/bin/python3
"""Runs commands in a test machine for whoever holds the other end of its control port.

One JSON line in, `{"argv": [...], "timeout_s": 60, "input": ""}`; one out, `{"code": 0, "output": "..."}`: standard
output and error together. A command that takes too long is killed with its session and has the code 124. One at a time.
"""

import json
import os
import signal
import subprocess
import tempfile
import time

PORT = "/dev/vport0p1"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "TERM": "dumb",
    "PYTHONPATH": "/project",
}


def run(request):
    with tempfile.TemporaryFile(dir="/tmp") as output:
        process = subprocess.Popen(
            request["argv"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/project",
            start_new_session=True,
        )
        process.stdin.write(request.get("input", "").encode())
        process.stdin.close()
        try:
            code = process.wait(request["timeout_s"])
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 124
        output.seek(0)
        return {"code": code, "output": output.read().decode(errors="replace")}


def lines(port):
    """Requests as they come; without anyone at the other end the port reads as empty."""
    rest = b""
    while True:
        piece = os.read(port, 65536)
        if not piece:
            time.sleep(0.02)
            continue
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def main():
    while not os.path.exists(PORT):
        time.sleep(0.02)
    port = os.open(PORT, os.O_RDWR)
    for line in lines(port):
        try:
            answer = run(json.loads(line))
        except (OSError, ValueError, KeyError) as error:
            answer = {"code": 127, "output": str(error)}
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[os.write(port, data) :]


main()
