"""The system calls that a program in a box may not make: a seccomp filter in classic BPF.

What namespaces and limits do not bound is refused here: memory that belongs to no process (memfd,
shared mappings of no file, System V shared memory, queues, keys, what sockets of others or enlarged
ones hold), further namespaces and mounts, other processes' memory; and what would hide the time a
program uses: children that nobody counts, and priorities at which it waits for all others.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from megatron_urpo.rewards.sandbox import kernel

# Name -> number on x86_64, on aarch64.
_REFUSED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioprio_set": (251, 30),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "semget": (64, 190),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "shmget": (29, 194),
    # Only pairs: what is sent to a listener stays with it when the sender is gone.
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),  # a pipe holds the whole huge page of what it is given
}
_CLONE = (56, 220)
_MMAP = (9, 222)
_SETSOCKOPT = (54, 208)
_SIGACTION = (13, 134)
_CLONE3 = (435, 435)  # its flags lie in memory, where a filter cannot look
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000
# All CLONE_NEW* but CLONE_NEWTIME, which only clone3 takes; and CLONE_PARENT: a process that waits
# for its vfork() has the child that the watcher looks for.
_CLONE_REFUSED = 0x7E020000 | 0x8000
_CLONE_VFORK, _CLONE_THREAD = 0x4000, 0x10000  # together, a thread that keeps the first waiting
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
_SOL_SOCKET = 1
_BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF, and their FORCE
_SIGCHLD = 17

# Offsets in struct seccomp_data. Of an argument the low half is what the kernel looks at.
_NUMBER, _ARCHITECTURE = 0, 4
_ARGUMENTS = tuple(range(16, 64, 8))
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_SECCOMP_MODE_FILTER = 2


def build_filter(machine: str) -> bytes:
    """The filter program for a machine, as platform.machine() names it.

    Raises OSError for a machine whose system calls are not known here.
    """
    if machine not in _ARCHITECTURES:
        raise OSError(f"{machine}: the sandbox knows {', '.join(_ARCHITECTURES)} only")
    column, architecture = _ARCHITECTURES[machine]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    program += _if_number(_CLONE3[column], [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)])
    for numbers in _REFUSED.values():
        program += _if_number(numbers[column], [(_RETURN, 0, 0, _ERROR | errno.EPERM)])
    refuse, allow = (_RETURN, 0, 0, _ERROR | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    program += _if_number(
        _CLONE[column],
        [
            (_LOAD, 0, 0, _ARGUMENTS[0]),
            (_ANY_BIT, 2, 0, _CLONE_REFUSED),
            (_ANY_BIT, 0, 2, _CLONE_VFORK),
            (_ANY_BIT, 0, 1, _CLONE_THREAD),
            refuse,
            allow,
        ],
    )
    program += _if_number(
        _MMAP[column],
        [
            (_LOAD, 0, 0, _ARGUMENTS[3]),
            (_ANY_BIT, 0, 2, _MAP_ANONYMOUS),
            (_ANY_BIT, 0, 1, _MAP_SHARED),
            refuse,
            allow,
        ],
    )
    program += _if_number(
        _SETSOCKOPT[column],
        [
            (_LOAD, 0, 0, _ARGUMENTS[1]),
            (_EQUAL, 0, len(_BUFFER_SIZES) + 2, _SOL_SOCKET),
            (_LOAD, 0, 0, _ARGUMENTS[2]),
            *(
                (_EQUAL, len(_BUFFER_SIZES) - place, int(size == _BUFFER_SIZES[-1]), size)
                for place, size in enumerate(_BUFFER_SIZES, start=1)
            ),
            refuse,
            allow,
        ],
    )
    # Ignoring the signal makes the kernel forget the time of children. To ask for it is harmless.
    program += _if_number(
        _SIGACTION[column],
        [
            (_LOAD, 0, 0, _ARGUMENTS[0]),
            (_EQUAL, 0, 5, _SIGCHLD),
            (_LOAD, 0, 0, _ARGUMENTS[1]),
            (_EQUAL, 0, 2, 0),
            (_LOAD, 0, 0, _ARGUMENTS[1] + 4),
            (_EQUAL, 1, 0, 0),
            refuse,
            allow,
        ],
    )
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


_Instruction = tuple[int, int, int, int]


def _if_number(number: int, then: list[_Instruction]) -> list[_Instruction]:
    return [(_EQUAL, 0, len(then), number), *then]


def install(program: bytes) -> None:
    """Bind this process, and all that it starts, to a filter, for good.

    Needs PR_SET_NO_NEW_PRIVS.
    """
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    pointer = ctypes.create_string_buffer(header, len(header))
    address = ctypes.c_void_p(ctypes.addressof(pointer))
    kernel.prctl(kernel.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address)
