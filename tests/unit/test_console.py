import socket
import subprocess
import sys

from megatron_urpo.console import say


def test_says_a_line(capsys):
    say("WARNING: no room")
    assert capsys.readouterr().err == "WARNING: no room\n"


def test_unbuffered_ranks_write_a_line_and_its_end_in_one_piece():
    """A datagram socket keeps one write from the next, as a pipe does not."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        here.settimeout(60)
        program = "from megatron_urpo.console import say; say('error: no room'); say('stopped')"
        subprocess.run([sys.executable, "-u", "-c", program], stderr=there.fileno(), check=True)
        assert [here.recv(100), here.recv(100)] == [b"error: no room\n", b"stopped\n"]
