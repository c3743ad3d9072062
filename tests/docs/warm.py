"""The command `shopkeeper` with its libraries loaded already: each call is a forked process of its own.

Loading the libraries is most of a short command's time, and the how-to pages give some seventy of them. A shim of that
name stands first on the path, hands its arguments, folder, environment and open files to a server, and ends as the
command ends.
"""

import contextlib
import gc
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

_SHIM = """#!{python} -SE
import array, json, os, signal, socket, sys
said = socket.socket(socket.AF_UNIX)
said.connect({place!r})
files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
said.sendmsg([len(asked).to_bytes(4, "big")], files)
said.sendall(asked)
answers = said.makefile("rb")
child = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = int(answers.readline())
sys.exit(code if code >= 0 else 128 - code)
"""


@contextmanager
def warm_command(folder: Path) -> Iterator[Path]:
    """Runs the server; gives the folder that holds the shim."""
    place = folder / "s"
    server = subprocess.Popen([sys.executable, "-m", __name__, str(place)], cwd=Path(__file__).parents[2])
    try:
        while not place.exists():
            assert server.poll() is None, "the server of the warm command ended"
            time.sleep(0.02)
        shim = folder / "shopkeeper"
        shim.write_text(_SHIM.format(python=sys.executable, place=str(place)), encoding="utf-8")
        shim.chmod(0o755)
        yield folder
    finally:
        server.terminate()
        server.wait()


def _serve(place: Path) -> None:
    import shopkeeper.cli as commands  # noqa: PLC0415 - the tests that import this file need none of it
    from shopkeeper.cli.main import entry  # noqa: PLC0415

    for module in pkgutil.iter_modules(commands.__path__):
        import_module(f"{commands.__name__}.{module.name}")
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen()
    while True:
        caller, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(caller, entry)
        caller.close()


def _answer(caller: socket.socket, entry: object) -> None:
    length, files, _, _ = socket.recv_fds(caller, 4, 3)
    text = caller.makefile("rb").read(int.from_bytes(length, "big"))
    arguments, folder, environment = json.loads(text)
    child = os.fork()
    if child == 0:
        caller.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["shopkeeper", *arguments]
        entry()  # type: ignore[operator]
        os._exit(0)
    for file in files:
        os.close(file)
    with contextlib.suppress(OSError):
        caller.sendall(f"{child}\n".encode())
        caller.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
