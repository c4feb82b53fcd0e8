import os
import signal

import pytest

from megatron_urpo.stop_request import StopRequest


def test_first_signal_asks_and_second_stops(capsys):
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert stop.requested is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert "saving after this step" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_termination_signals_ask_too(number):
    with StopRequest() as stop:
        os.kill(os.getpid(), number)
        assert stop.requested is number
