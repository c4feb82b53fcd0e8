"""The filter: read as the kernel reads it, and in force in a box."""

import struct

import pytest

from megatron_urpo.code_tests.records import CodeFailure
from megatron_urpo.rewards.sandbox import seccomp
from tests.unit.rewards.code_answers import judged

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
ALLOW, KILL, ENOSYS, EPERM = 0x7FFF0000, 0x80000000, 0x50026, 0x50001


def verdict(program, architecture, number, *arguments):
    """What classic BPF makes of one system call (the five instructions that are used)."""
    arguments = (*arguments, *[0] * 6)[:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments)
    instructions = [struct.unpack("=HBBI", program[i : i + 8]) for i in range(0, len(program), 8)]
    place = accumulator = 0
    while True:
        code, then, otherwise, value = instructions[place]
        place += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
            continue
        holds = {
            0x15: accumulator == value,
            0x35: accumulator >= value,
            0x45: accumulator & value != 0,
        }[code]
        place += then if holds else otherwise


@pytest.mark.parametrize(
    ("machine", "architecture", "numbers"),
    [
        # read, mount, socket, clone, clone3, memfd_create
        ("x86_64", X86_64, (0, 165, 41, 56, 435, 319)),
        ("aarch64", AARCH64, (63, 40, 198, 220, 435, 279)),
    ],
)
def test_verdicts(machine, architecture, numbers):
    program = seccomp.build_filter(machine)
    read, mount, socket, clone, clone3, memfd_create = numbers
    assert verdict(program, architecture, read) == ALLOW
    assert verdict(program, architecture, mount) == EPERM
    assert verdict(program, architecture, memfd_create) == EPERM
    assert verdict(program, architecture, clone3) == ENOSYS
    for family in (1, 2, 10, 16, 17):  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET
        assert verdict(program, architecture, socket, family) == EPERM
    threads = 0x3D0F00  # what the C library starts a thread with
    assert verdict(program, architecture, clone, threads) == ALLOW
    for namespace in range(25, 31):  # CLONE_NEWCGROUP to CLONE_NEWNET
        assert verdict(program, architecture, clone, threads | 1 << namespace) == EPERM
    assert verdict(program, architecture, clone, threads | 0x20000) == EPERM  # CLONE_NEWNS
    assert verdict(program, architecture, clone, 0x4111) == ALLOW  # posix_spawn: VM, VFORK, SIGCHLD
    assert verdict(program, architecture, clone, threads | 0x4000) == EPERM  # CLONE_VFORK
    assert verdict(program, architecture, clone, 0x8011) == EPERM  # CLONE_PARENT
    other = AARCH64 if architecture == X86_64 else X86_64
    assert verdict(program, other, read) == KILL


@pytest.mark.parametrize(
    ("machine", "architecture", "numbers"),
    [
        # mmap, setsockopt, rt_sigaction
        ("x86_64", X86_64, (9, 54, 13)),
        ("aarch64", AARCH64, (222, 208, 134)),
    ],
)
def test_verdicts_by_argument(machine, architecture, numbers):
    program = seccomp.build_filter(machine)
    mmap, setsockopt, sigaction = numbers
    for flags, expected in ((0x22, ALLOW), (0x20022, ALLOW), (0x01, ALLOW), (0x21, EPERM)):
        assert verdict(program, architecture, mmap, 0, 4096, 3, flags, -1 % 2**64) == expected
    for option in range(1, 40):
        expected = EPERM if option in (7, 8, 32, 33) else ALLOW  # the sizes of buffers
        assert verdict(program, architecture, setsockopt, 3, 1, option) == expected
    assert verdict(program, architecture, setsockopt, 3, 6, 7) == ALLOW  # of TCP
    for pointer in (1, 1 << 40):
        assert verdict(program, architecture, sigaction, 17, pointer) == EPERM
        assert verdict(program, architecture, sigaction, 2, pointer) == ALLOW
    assert verdict(program, architecture, sigaction, 17, 0, 1) == ALLOW


def test_the_other_calling_convention_of_x86_is_shut():
    assert verdict(seccomp.build_filter("x86_64"), X86_64, 0x40000000) == KILL


def test_unknown_machines_are_refused():
    with pytest.raises(OSError, match="riscv64: the sandbox knows x86_64, aarch64 only"):
        seccomp.build_filter("riscv64")


CALLS = """
import ctypes, errno, platform
column = ("x86_64", "aarch64").index(platform.machine())
libc = ctypes.CDLL(None, use_errno=True)
for numbers in {numbers}:
    if libc.syscall(numbers[column], 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM:
        print(numbers)
print("end")
"""


def test_it_is_in_force_in_a_box(bubblewrap):
    code = CALLS.format(numbers=list(seccomp._REFUSED.values()))
    assert judged(code, [{"input": "", "output": "end"}]).failure is None


def test_32_bit_system_calls_end_the_program(bubblewrap):
    """int 0x80 enters the kernel by the table of i386, which no filter entry is for."""
    machine_code = "b8140000 00cd80c3".replace(" ", "")  # mov eax, 20 (getpid); int 0x80; ret
    code = f"""
import ctypes, mmap, platform
if platform.machine() != "x86_64": raise SystemExit(1)
rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, rights)
memory.write(bytes.fromhex({machine_code!r}))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
print("end")
"""
    result = judged(code, [{"input": "", "output": "end"}])
    assert result.failure is CodeFailure.RUNTIME_ERROR
