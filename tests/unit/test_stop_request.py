import os
import signal
import threading

import pytest

from megatron_urpo.ranks import OneRank
from megatron_urpo.stop_request import IN_STEPS, StopRequest


def test_first_signal_asks_and_second_stops(capsys):
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert stop.requested is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (
        "SIGINT: stopping before the first step: there is nothing to save"
        in capsys.readouterr().err
    )
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_termination_signals_ask_too(number):
    with StopRequest() as stop:
        os.kill(os.getpid(), number)
        assert stop.requested is number


def test_a_signal_that_came_while_it_was_blocked_counts():
    """As the launcher blocks it for the ranks that it starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)  # other threads do not block it
    with StopRequest() as stop:
        assert stop.requested is signal.SIGUSR1
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_it_says_what_comes_of_it(capsys):
    with StopRequest() as stop:
        stop.consequence = IN_STEPS
        os.kill(os.getpid(), signal.SIGUSR1)
    assert "SIGUSR1: saving after this step, then stopping. Once more" in capsys.readouterr().err


@pytest.mark.parametrize("others", [False, True])
def test_one_rank_that_is_asked_is_enough(others):
    class Two(OneRank):
        def gather_objects(self, value):
            return [value, others]

    with StopRequest() as stop:
        assert stop.is_asked_of(Two()) is others
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.is_asked_of(Two())
