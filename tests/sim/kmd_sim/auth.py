"""Signatures of callers: RSA-PSS (any salt) or Ed25519 over timestamp + METHOD + path without the query. Pure."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

PublicKey = RSAPublicKey | Ed25519PublicKey

KEY = "KALSHI-ACCESS-KEY"
TIMESTAMP = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE = "KALSHI-ACCESS-SIGNATURE"
LATENCY_MS = 1000
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)


class Verdict(Enum):
    GOOD = "good"
    UNSIGNED = "unsigned"
    INCOMPLETE = "incomplete"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    BAD_SIGNATURE = "bad_signature"


MISSING = b'{"error":{"code":"signature_is_missing_from_headers","message":"signature is missing from headers"}}'
EXPIRED = b'{"error":{"code":"header_timestamp_expired","message":"header timestamp expired"}}'
REFUSED = b'{"error":{"code":"authentication_error","message":"authentication_error","details":"%s"}}'
BODIES: dict[Verdict, bytes] = {
    Verdict.UNSIGNED: MISSING,
    Verdict.INCOMPLETE: MISSING,
    Verdict.UNKNOWN_KEY: REFUSED % b"NOT_FOUND",
    Verdict.EXPIRED: EXPIRED,
    Verdict.BAD_SIGNATURE: REFUSED % b"INCORRECT_API_KEY_SIGNATURE",
}
WS_UNSIGNED_BODY = b'{"code":"token_authentication_failure"}'


def load_public_key(pem: bytes) -> PublicKey:
    """A public key, or the public half of a private one. ValueError if it is neither RSA nor Ed25519."""
    if b"PRIVATE KEY" in pem:
        key: object = serialization.load_pem_private_key(pem, None).public_key()
    else:
        key = serialization.load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    return key


@dataclass(slots=True)
class Verifier:
    keys: dict[str, PublicKey]
    window_s: float = 5.0

    def check(self, headers: Mapping[str, str], method: str, path: str, now_ms: int) -> Verdict:
        key_id, timestamp, signature = headers.get(KEY), headers.get(TIMESTAMP), headers.get(SIGNATURE)
        if not key_id and not timestamp and not signature:
            return Verdict.UNSIGNED
        if not key_id or not timestamp or not signature:
            return Verdict.INCOMPLETE
        key = self.keys.get(key_id)
        if key is None:
            return Verdict.UNKNOWN_KEY
        if not timestamp.isdecimal() or abs(int(timestamp) - now_ms) > self.window_s * 1000 + LATENCY_MS:
            return Verdict.EXPIRED
        try:
            raw = base64.b64decode(signature, validate=True)
            verify(key, raw, f"{timestamp}{method}{path}".encode())
        except (InvalidSignature, binascii.Error, ValueError):
            return Verdict.BAD_SIGNATURE
        return Verdict.GOOD


def verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    if isinstance(key, RSAPublicKey):
        key.verify(signature, message, PSS, hashes.SHA256())
    else:
        key.verify(signature, message)
