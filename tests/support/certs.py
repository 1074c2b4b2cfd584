"""A small certificate authority: certificates of servers and clients, good ones and those that must be refused."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from support.keys import write_private


@dataclass(frozen=True)
class Certificate:
    cert: Path  # PEM
    key: Path  # PEM, PKCS#8

    @property
    def both(self) -> Path:
        """Key and certificate in one PEM file, as Kafka's key stores of type PEM want it."""
        path = self.cert.with_suffix(".both.pem")
        path.touch(mode=0o600)
        path.write_bytes(self.key.read_bytes() + self.cert.read_bytes())
        return path


class Authority:
    """Signs certificates of servers at 127.0.0.1 and localhost, and of clients; who trusts it is given `ca`."""

    def __init__(self, folder: Path, name: str = "kmd test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert = (
            _builder(self._name, self._name, self._key, days=30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca.write_bytes(cert.public_bytes(serialization.Encoding.PEM))

    def server(self, name: str = "server", hosts: tuple[str, ...] = ("127.0.0.1", "localhost"), days: int = 30) -> Certificate:
        """@days below 0 gives one that has expired."""
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        return self._issue(name, hosts[0], days, names)

    def client(self, name: str, days: int = 30) -> Certificate:
        """@name is its common name too."""
        return self._issue(name, name, days)

    def _issue(self, name: str, common_name: str, days: int, names: x509.SubjectAlternativeName | None = None) -> Certificate:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(subject, self._name, key, days)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        made = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        made.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        write_private(made.key, key)
        return made


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
