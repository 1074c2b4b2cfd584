"""Key pairs to sign with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class KeyPair:
    private: Path  # PEM
    public: Path  # PEM, for the one who verifies


def rsa_key(folder: Path, name: str = "key", pkcs1: bool = False, bits: int = 2048) -> KeyPair:
    return _write(folder, name, rsa.generate_private_key(public_exponent=65537, key_size=bits), pkcs1)


def ed25519_key(folder: Path, name: str = "key") -> KeyPair:
    return _write(folder, name, ed25519.Ed25519PrivateKey.generate(), pkcs1=False)


def _write(folder: Path, name: str, key: PrivateKey, pkcs1: bool) -> KeyPair:
    folder.mkdir(parents=True, exist_ok=True)
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.pub.pem")
    write_private(pair.private, key, pkcs1)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pair.public.write_bytes(public)
    return pair


def write_private(path: Path, key: PrivateKey, pkcs1: bool = False) -> None:
    form = serialization.PrivateFormat.TraditionalOpenSSL if pkcs1 else serialization.PrivateFormat.PKCS8
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
