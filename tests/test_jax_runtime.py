import os
import subprocess
import sys

SHOW = (
    "from streamfit.jax_runtime import single_threaded; single_threaded(); import os; "
    "names = ('XLA_FLAGS', 'OPENBLAS_NUM_THREADS', 'JAX_COMPILATION_CACHE_DIR'); "
    "print('|'.join(os.environ[name] for name in names))"
)


def shown(code: str = SHOW, **environment: str) -> list[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("XLA", "OPENBLAS", "JAX", "CACHE_D", "XDG"))}
    result = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip().split("|")


def test_one_thread_and_a_cache_are_set_before_jax_is_imported() -> None:
    flags, blas, cache = shown(HOME="/home/somebody")
    assert flags == "--xla_cpu_multi_thread_eigen=false"
    assert blas == "1"
    assert cache == "/home/somebody/.cache/streamfit/jax"


def test_the_users_own_flags_are_kept() -> None:
    assert shown(XLA_FLAGS="--xla_a=1")[0] == "--xla_a=1 --xla_cpu_multi_thread_eigen=false"
    assert shown(XLA_FLAGS="--xla_cpu_multi_thread_eigen=true")[0] == "--xla_cpu_multi_thread_eigen=true"
    assert shown(JAX_COMPILATION_CACHE_DIR="/x")[2] == "/x"


def test_the_cache_is_where_the_system_wants_it() -> None:
    assert shown(XDG_CACHE_HOME="/xdg")[2] == "/xdg/streamfit/jax"
    assert shown(CACHE_DIRECTORY="/var/cache/streamfit", XDG_CACHE_HOME="/xdg")[2] == "/var/cache/streamfit/jax"


def test_after_jax_it_is_too_late() -> None:
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "from streamfit.jax_runtime import single_threaded\n"
        "try:\n    single_threaded()\nexcept RuntimeError as error:\n    print(error)"
    )
    assert "before the import of jax" in shown(code)[0]
