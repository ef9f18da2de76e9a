import os
import signal
import threading

import pytest

from experiments.finetune_signals import finishing


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_noted_and_what_was_there_is_put_back(number, status):
    before = signal.getsignal(number)
    with finishing() as wish:
        assert wish.requested is None
        os.kill(os.getpid(), number)
        assert (wish.requested, wish.status) == (number, status)
    assert signal.getsignal(number) is before


def test_whoever_asks_twice_need_not_wait():
    with finishing() as wish:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert wish.requested == signal.SIGTERM


def test_outside_the_main_thread_nothing_changes():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with finishing():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
