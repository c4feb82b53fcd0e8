"""Builds megatron_urpo._core, the reward arithmetic in C++. The metadata is in pyproject.toml."""

import shutil
import sysconfig
from glob import glob
from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from pybind11.setup_helpers import build_ext as pybind11_build_ext
from setuptools import setup
from setuptools.errors import PlatformError


class build_ext(pybind11_build_ext):
    """Says which system package is missing before the compiler's own message does not."""

    def build_extensions(self) -> None:
        compiler = self.compiler.compiler_cxx[0]
        if shutil.which(compiler) is None:
            raise PlatformError(
                f"no C++ compiler: {compiler!r} was not found. Install one with C++17, "
                "e.g. `apt-get install g++` (Debian, Ubuntu) or `dnf install gcc-c++` (Fedora, "
                "RHEL), or name yours in CXX, and build again."
            )
        header = Path(sysconfig.get_path("include")) / "Python.h"
        if not header.exists():
            raise PlatformError(
                f"no Python headers: {header} does not exist. Install them, e.g. `apt-get install "
                "python3-dev` (Debian, Ubuntu) or `dnf install python3-devel` (Fedora, RHEL), and "
                "build again."
            )
        super().build_extensions()


ParallelCompile(default=0).install()  # as many files at a time as there are processors
setup(
    ext_modules=[
        Pybind11Extension(
            "megatron_urpo._core",
            sources=sorted(glob("csrc/*.cpp") + glob("csrc/answers/*.cpp")),
            depends=sorted(glob("csrc/*.hpp") + glob("csrc/answers/*.hpp")),
            cxx_std=17,
            extra_compile_args=["-O3", "-Wall", "-Wextra"],
        )
    ],
    cmdclass={"build_ext": build_ext},
)
