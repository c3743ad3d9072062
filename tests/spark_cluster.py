"""Spark really started for tests: `local[2]` in one Java machine, and a standalone master with a worker on loopback.

`spark_engine` gives engines on `local[2]`, `cluster_engine` on the standalone master; both share one Java machine as
long as tests ask for the same master, so order tests by engine, not engines by test.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shopkeeper.storage.engine.spark import SparkEngine
from shopkeeper.storage.lake import Lake

Engines = Callable[[Lake], SparkEngine]

_FAST = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_PLAIN = "spark.sql.codegen.wholeStage false\nspark.sql.codegen.factoryMode NO_CODEGEN\n"
_START_SECONDS = 60


class SparkTests:
    """Keeps one Spark running and hands out engines on it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._keeper: SparkEngine | None = None
        self._master = ""
        self._stack = ExitStack()
        self._url: str | None = None

    def engine(self, master: str, lake: Lake) -> SparkEngine:
        if self._keeper is not None and self._master != master:
            self._keeper.close()
            self._keeper = None
        made = SparkEngine(lake, master, spill=self._place / "spill", memory="1GB", partitions=2, java_options=_FAST)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("SPARK_CONF_DIR", str(self._defaults(master)))
            made.start()
        if self._keeper is None:
            self._keeper, self._master = (
                SparkEngine(lake, master, spill=self._place / "spill", memory="1GB", partitions=2, java_options=_FAST),
                master,
            )
            self._keeper.start()
        return made

    def _defaults(self, master: str) -> Path:
        """A folder with settings that a Java machine starts with: of `local[2]` to compile no query into classes.

        That is most of the time of a query that runs once over few rows. The cluster compiles, as does `make bench`.
        """
        folder = self._place / master.partition("[")[0].replace("/", "").replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        if master.startswith("local"):
            (folder / "spark-defaults.conf").write_text(_PLAIN, encoding="utf-8")
        return folder

    def cluster(self) -> str:
        if self._url is None:
            self._url = self._stack.enter_context(standalone(self._place / "standalone"))
        return self._url

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
        self._keeper, self._url = None, None
        self._stack.close()


class standalone:  # noqa: N801 - reads like a function
    """A standalone master and one worker, as the package's own classes on loopback."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> str:
        port, ui = _free_port(), _free_port()
        url = f"spark://127.0.0.1:{port}"
        try:
            self._run("master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(ui))
            _wait(lambda: _listens(port), "the Spark master")
            worker = self._run(
                "worker.Worker",
                "--host",
                "127.0.0.1",
                "--webui-port",
                "0",
                "--cores",
                "2",
                "--memory",
                "1g",
                "--work-dir",
                str(self._place / "work"),
                url,
            )
            _wait(lambda: b"Successfully registered" in worker.read_bytes(), "the Spark worker")
        except BaseException:
            self.__exit__()
            raise
        return url

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(timeout=30)

    def _run(self, name: str, *arguments: str) -> Path:
        import pyspark  # noqa: PLC0415 - heavy

        home = Path(pyspark.__file__).parent
        self._place.mkdir(parents=True, exist_ok=True)
        log = self._place / f"{name}.log"
        # Without the Scala version the worker cannot build the command of an executor.
        environment = {
            **os.environ, "SPARK_SCALA_VERSION": "2.13", "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self._place / "local"), "SPARK_PUBLIC_DNS": "127.0.0.1",
        }  # fmt: skip
        java = ["java", "-Xmx256m", *_FAST.split(), "-cp", f"{home}/jars/*", f"org.apache.spark.deploy.{name}"]
        with log.open("wb") as output:
            self._processes.append(subprocess.Popen([*java, *arguments], stdout=output, stderr=output, env=environment))
        return log


@pytest.fixture(scope="session")
def spark_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkTests]:
    if shutil.which("java") is None:
        pytest.skip("no Java: install a Java 17 runtime")
    tests = SparkTests(tmp_path_factory.mktemp("spark"))
    yield tests
    tests.close()


@pytest.fixture
def spark_engine(spark_tests: SparkTests) -> Iterator[Engines]:
    """Gives a function that opens an engine on `local[2]` over a lake."""
    with ExitStack() as stack:

        def give(lake: Lake) -> SparkEngine:
            engine = spark_tests.engine("local[2]", lake)
            stack.callback(engine.close)
            return engine

        yield give


@pytest.fixture
def cluster_engine(spark_tests: SparkTests) -> Iterator[Engines]:
    """Gives a function that opens an engine on the standalone master over a lake."""
    with ExitStack() as stack:

        def give(lake: Lake) -> SparkEngine:
            engine = spark_tests.engine(spark_tests.cluster(), lake)
            stack.callback(engine.close)
            return engine

        yield give


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not start in {_START_SECONDS} s")
        time.sleep(0.1)
