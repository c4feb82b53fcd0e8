"""JSON lines over pipes."""

import os
import threading

import pytest

from megatron_urpo.rewards.sandbox.channel import Channel, ChannelClosedError, LineTooLongError


@pytest.fixture
def pipes():
    receive, send = os.pipe()
    yield receive, send
    for descriptor in (receive, send):
        try:
            os.close(descriptor)
        except OSError:
            assert True  # the test closed it


def test_values_come_in_order_however_they_are_cut(pipes):
    receive, send = pipes
    channel = Channel(receive, send, 1 << 20)
    values = ["é\n", {"a": [1, None, 2.5]}, "x" * 300_000, []]

    def write():
        for value in values:
            channel.send(value)

    writer = threading.Thread(target=write)
    writer.start()
    assert [channel.receive() for _ in values] == values
    writer.join()
    os.write(send, b"1\n2\n[3")
    assert (channel.receive(), channel.receive()) == (1, 2)
    os.write(send, b"]\n")
    assert channel.receive() == [3]


def test_the_end_is_said(pipes):
    receive, send = pipes
    os.write(send, b"half a line")
    os.close(send)
    with pytest.raises(ChannelClosedError, match="no whole line"):
        Channel(receive, send, 100).receive()


def test_nobody_reads(pipes):
    receive, send = pipes
    os.close(receive)
    with pytest.raises(ChannelClosedError, match="nobody reads"):
        Channel(receive, send, 100).send("x")


def test_a_long_line_is_not_read_to_its_end(pipes):
    receive, send = pipes
    os.write(send, b"x" * 101)
    with pytest.raises(LineTooLongError, match="more than 100 bytes"):
        Channel(receive, send, 100).receive()


def test_one_line_may_be_longer_than_others(pipes):
    receive, send = pipes
    channel = Channel(receive, send, 100)
    sent = channel.send("x" * 105)
    assert sent == 108
    assert channel.receive(more_bytes=sent) == "x" * 105
    channel.send("x" * 105)
    with pytest.raises(LineTooLongError, match="more than 100 bytes"):
        channel.receive()


def test_what_is_no_json_is_said(pipes):
    receive, send = pipes
    os.write(send, b"nonsense\n")
    with pytest.raises(ValueError, match="Expecting value"):
        Channel(receive, send, 100).receive()
