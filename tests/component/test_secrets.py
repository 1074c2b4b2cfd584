"""Keys and passwords stay where they belong: looked for in what the programs say, in their memory, and in what a crash leaves."""

from __future__ import annotations

import base64
import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from component.enricher_exchange import Exchange as Rest
from component.ingest_exchange import Exchange as Stream
from component.test_settings import CONFIG, PROGRAMS, SIGNERS, call, good
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support import keys
from support.paths import program
from support.process import run, wait_until
from support.services import Service, StartService, base_env
from support.shared import Database, SharedKafka

SECRET = "hunter2-do-not-show"
PIECE = 24  # bytes of a number that are too many to be chance


@pytest.fixture
def key(folder: Path) -> Path:
    return keys.rsa_key(folder, "secret-key").private


def parts(pem: Path) -> dict[str, bytes]:
    """What only who has the private key knows, as it stands in the file: lines of base64, numbers in its DER."""
    found = {f"line {i}": line for i, line in enumerate(pem.read_bytes().splitlines()[1:-1]) if len(line) >= PIECE}
    loaded = serialization.load_pem_private_key(pem.read_bytes(), None)
    if isinstance(loaded, rsa.RSAPrivateKey):
        n = loaded.private_numbers()
        numbers = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qinv": n.iqmp}
        for name, number in numbers.items():
            text = number.to_bytes((number.bit_length() + 7) // 8, "big")
            found |= {f"{name} at {i}": text[i : i + PIECE] for i in range(0, len(text) - PIECE + 1, PIECE)}
    return found


def texts(pem: Path) -> list[str]:
    """The same as a log would show it, and the passwords."""
    raw = parts(pem)
    lines = [value.decode() for name, value in raw.items() if name.startswith("line")]
    numbers = [form(value) for name, value in raw.items() if " at " in name for form in (bytes.hex, lambda v: base64.b64encode(v).decode())]
    return [SECRET, *lines, *numbers]


def assert_silent(text: str, pem: Path) -> None:
    shown = [secret for secret in texts(pem) if secret.lower() in text.lower()]
    assert not shown, f"{shown[0]} is shown in:\n{text[-3000:]}"


def secrets(name: str) -> dict[str, str]:
    """Every setting of the program that is one, and everything it can say."""
    kafka = {"KAFKA_SECURITY_PROTOCOL": "sasl_plaintext", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "me",
        "KAFKA_SASL_PASSWORD": SECRET, "KAFKA_DEBUG": "all", "KMD_LOG_LEVEL": "debug"}  # fmt: skip
    return {**kafka, "KALSHI_API_KEY_ID": f"id-{SECRET}"} if name != "sink" else {**kafka, "PGPASSWORD": SECRET}


# -- what they say ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_print_and_check(name: str, key: Path) -> None:
    for option in ("--print", "--check"):
        done = call(name, option, **{**good(name, key), **secrets(name)})
        assert done.returncode == 0, done.stderr
        assert_silent(done.stdout.replace(f"KALSHI_API_KEY_ID=id-{SECRET}", ""), key)  # the id is no secret to its owner
        assert_silent(done.stderr, key)


def damaged(key: Path, kind: str) -> Path:
    """A key file that cannot be used, with most of the secret in it."""
    path, lines = key.with_name(f"{kind}.pem"), key.read_bytes().splitlines(keepends=True)
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    path.write_bytes(
        {
            "torn": b"".join(lines[:-4]),
            "turned": b"".join([lines[0], *reversed(lines[1:-1]), lines[-1]]),
            "bare": b"".join(lines[1:-1]),
            "sealed": loaded.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(SECRET.encode())
            ),
        }[kind]
    )
    return path


@pytest.mark.parametrize("kind", ["torn", "turned", "bare", "sealed"])
@pytest.mark.parametrize("name", SIGNERS)
def test_a_key_that_cannot_be_used(name: str, kind: str, key: Path) -> None:
    path = damaged(key, kind)
    done = call(name, **{**good(name, key), **secrets(name), "KALSHI_PRIVATE_KEY_FILE": str(path)})
    assert done.returncode == CONFIG and str(path) in done.stderr
    assert_silent(done.stdout + done.stderr, key)


@pytest.mark.parametrize(
    "setting,value",
    [
        ("KAFKA_SSL_KEY_PEM", f"-----BEGIN {SECRET}"),
        ("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_NOT", SECRET),
        ("DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:no-port/x"),
        ("DATABASE_URL", f"host=127.0.0.1 password={SECRET} no_such_option=1"),
        ("DATABASE_URL", f"password='{SECRET}"),
        ("DATABASE_URL", SECRET),
    ],
)
def test_a_secret_that_cannot_be_used(setting: str, value: str, key: Path) -> None:
    settings = {**good("sink", key), **secrets("sink"), "KAFKA_SECURITY_PROTOCOL": "ssl", setting: value}
    done = call("sink", "--check", **settings)
    assert done.returncode == CONFIG and setting in done.stderr, done.stderr
    assert_silent(done.stdout + done.stderr, key)


def test_a_database_that_refuses_or_is_absent(key: Path, database: Database) -> None:
    absent = f"postgresql://me:{SECRET}@127.0.0.1:1/x"
    refusing = database.url.replace("postgres@", f"nobody_we_know:{SECRET}@")
    for url in (absent, refusing):
        done = call("sink", "--migrate", **{**good("sink", key), **secrets("sink"), "DATABASE_URL": url})
        assert done.returncode == 69, done.stderr
        assert_silent(done.stdout + done.stderr, key)


@pytest.fixture
def refusing() -> Iterator[dict[str, str]]:
    """Settings of an exchange that refuses everybody."""
    stream, rest = Stream(), Rest()
    stream.statuses = [401] * 10_000
    rest.rule_for_all(lambda _request, _before: (401, {"error": {"code": "authentication_error", "details": "INCORRECT_API_KEY_SIGNATURE"}}))
    yield {"KALSHI_WS_URL": stream.url, "KALSHI_REST_BASE_URL": rest.url}
    stream.close()
    rest.close()


@pytest.mark.parametrize("name", SIGNERS)
def test_a_refused_key_and_one_replaced_by_rubbish(
    name: str, key: Path, refusing: dict[str, str], shared_kafka: SharedKafka, topic_prefix: str, service: StartService
) -> None:
    pem = key.with_name("kept.pem")
    pem.write_bytes(key.read_bytes())
    settings = {**good(name, key), **refusing, "KALSHI_API_KEY_ID": f"id-{SECRET}", "KMD_LOG_LEVEL": "debug"}
    one = service(name, {**settings, "KAFKA_BOOTSTRAP_SERVERS": shared_kafka.bootstrap, "KMD_TOPIC_PREFIX": topic_prefix})
    wait_until("the refusal is named", lambda: "401" in str(one.ready()[1]) or "refuses the key" in str(one.ready()[1]), timeout=60)
    key.write_bytes(damaged(pem, "turned").read_bytes())
    wait_until("the rubbish is named", lambda: "key_unusable" in one.process.output() or "key_not_read" in one.process.output(), timeout=90)
    assert one.stop() == 0
    assert_silent(one.process.output(), pem)


# -- what is in memory ------------------------------------------------------------------------------------------------


def memory(pid: int) -> Iterator[bytes]:
    """Every mapping of the process that can be read."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        place, access = line.split()[:2]
        low, high = (int(end, 16) for end in place.split("-"))
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
            if access.startswith("r") and not line.endswith(("[vvar]", "[vsyscall]")):
                file.seek(low)
                with contextlib.suppress(OSError):  # a hole behind the end of a file
                    yield file.read(high - low)


def idle(name: str, key: Path, service: StartService) -> Service:
    one = service(name, good(name, key))
    wait_until("it is up", lambda: one.ready()[0])
    return one


@pytest.mark.parametrize("make", [keys.rsa_key, lambda folder: keys.rsa_key(folder, pkcs1=True), keys.ed25519_key])
@pytest.mark.parametrize("name", SIGNERS)
def test_the_key_file_s_bytes_are_wiped(name: str, make: Callable[[Path], keys.KeyPair], folder: Path, service: StartService) -> None:
    """The key that signs is there once, in OpenSSL's own form; the file's text and its DER, read twice by then, are not."""
    pem = make(folder).private
    one = idle(name, pem, service)
    try:
        found = list(memory(one.process.pid))
    except PermissionError:
        pytest.skip("only who may trace everybody can read the memory of a program that is not dumpable")
    assert any(b"KALSHI_PRIVATE_KEY_FILE" in m for m in found), "the search does not work"
    assert not [part for part, value in parts(pem).items() if any(value in m for m in found)]


# -- what a crash leaves ----------------------------------------------------------------------------------------------


def crash(argv: list[str], env: dict[str, str], folder: Path, wait: Callable[[int], object]) -> int:
    """Runs it with cores allowed, after its own start again where one may; kills it by SIGSEGV; its wait status."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        argv, env=env, cwd=folder, stdout=quiet, stderr=quiet, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    )
    try:
        wait(child.pid)
        with contextlib.suppress(PermissionError):
            resource.prlimit(child.pid, resource.RLIMIT_CORE, (hard, hard))
    finally:
        os.kill(child.pid, signal.SIGSEGV)
        status = os.waitpid(child.pid, 0)[1]
    return status


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_core_file(name: str, key: Path, folder: Path) -> None:
    settings = good(name, key)
    ready = Service(name, settings, folder)

    def limits(pid: int) -> None:
        wait_until("it is up", lambda: ready.ready()[0])
        limit = next(x for x in Path(f"/proc/{pid}/limits").read_text().splitlines() if x.startswith("Max core file size"))
        assert limit.split()[4:6] == ["0", "0"]

    status = crash([program(f"kmd-{name}")], {**base_env(), **settings}, folder, limits)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status) and not list(folder.glob("core*"))
    # Would this machine have left one?
    other = crash(["sleep", "60"], base_env(), folder, lambda _pid: time.sleep(0.2))
    if not os.WCOREDUMP(other):
        pytest.skip("nothing leaves a core here")


# -- how they are built -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_hardening(name: str) -> None:
    def elf(option: str) -> str:
        return run(["readelf", "-W", option, program(f"kmd-{name}")]).stdout

    symbols = elf("--dyn-syms")
    if "__asan_" in symbols or "__tsan_" in symbols:
        pytest.skip("a sanitizer's build")
    assert "Position-Independent Executable" in elf("-h")
    segments, dynamic = elf("-l"), elf("-d")
    assert "GNU_RELRO" in segments and "BIND_NOW" in dynamic, "full RELRO"
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert " RW " in stack and "RWE" not in segments, "nothing is writable and executable"
    assert "__stack_chk_fail" in symbols, "stack protector"
    assert "__snprintf_chk" in symbols, "_FORTIFY_SOURCE"
