"""Loops over the log go on while there is work, and after a failure."""

import threading

import pytest

from shopkeeper.app.readers import Reader, Readers


def test_a_reader_goes_on_after_a_failure_and_stops_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    done = threading.Event()
    seen: list[int] = []

    def step() -> bool:
        seen.append(len(seen))
        if len(seen) == 2:
            raise ValueError("13812345678 is in this text")
        if len(seen) == 5:
            done.set()
        return len(seen) < 5

    readers = Readers([Reader("test", step, rest=0.001)])
    readers.start()
    assert done.wait(10)
    readers.stop()
    assert seen[:5] == [0, 1, 2, 3, 4]
    assert "13812345678" not in capsys.readouterr().err
