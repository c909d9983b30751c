"""A small file system of its own, for tests of a full disk. It needs the right to mount one."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import tempfile

DISK_MIB = 24
MS_RDONLY, _MS_REMOUNT, _MNT_DETACH = 1, 32, 2
_libc = ctypes.CDLL(None, use_errno=True)


class SmallDisk:
    """Mounted in a folder of its own until the test ends; skips the test where it cannot be."""

    def __init__(self, case):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-disk-"))
        case.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = self.folder / "disk"
        self.path.mkdir()
        options = f"size={DISK_MIB}m".encode()
        if _libc.mount(b"tmpfs", os.fsencode(self.path), b"tmpfs", 0, options) != 0:
            trouble = os.strerror(ctypes.get_errno())
            print(f"skipped: no small file system can be mounted here: {trouble}", flush=True)
            case.skipTest(f"mount: {trouble}")
        case.addCleanup(_libc.umount2, os.fsencode(self.path), _MNT_DETACH)

    def use_up(self, leave):
        """A file that takes all of the disk's space but `leave` bytes."""
        ballast = self.path / "ballast"
        free = os.statvfs(self.path)
        size = free.f_bavail * free.f_frsize - leave
        assert size > 0, "the disk is too small for this test"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        return ballast

    def fill_up(self):
        """A file that takes all of the space, whoever else writes meanwhile."""
        ballast = self.path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):  # there is no more
                while True:
                    file.write(bytes(1 << 16))
        return ballast

    def remount(self, flags):
        path = os.fsencode(self.path)
        if _libc.mount(b"tmpfs", path, b"tmpfs", _MS_REMOUNT | flags, None) != 0:
            raise OSError(ctypes.get_errno(), "the disk cannot be mounted anew")
