"""A certificate chain of our own, and its faults: what tests sign with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
KEYS = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
}
USE = ExtendedKeyUsageOID.EMAIL_PROTECTION


def write_chain(folder: Path, kind: str = "es256", *, days: int = 30, use=USE) -> tuple[Path, Path]:
    """A certificate for `use`, signed by a root of its own, valid for so many days more; and its
    key. The root is ``root.pem`` beside them."""
    folder.mkdir(exist_ok=True)
    authority, own = KEYS["es256"](), KEYS[kind]()
    root = (
        _begun("root", "root", authority.public_key(), 300)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(_usage(signs=False), True)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        _begun("Foley Ltd", "root", own.public_key(), days)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(_usage(signs=True), True)
        .add_extension(x509.ExtendedKeyUsage([use]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
        .sign(authority, hashes.SHA256())
    )
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(leaf.public_bytes(PEM))
    (folder / "root.pem").write_bytes(root.public_bytes(PEM))
    key.write_bytes(private(own, serialization.PrivateFormat.PKCS8))
    (folder / "old.pem").write_bytes(
        private(own, serialization.PrivateFormat.TraditionalOpenSSL) if kind != "ed25519" else b""
    )
    return chain, key


def private(key, form) -> bytes:
    return key.private_bytes(PEM, form, serialization.NoEncryption())


def _begun(name: str, issuer: str, key, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    names = [[x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
              x509.NameAttribute(NameOID.COMMON_NAME, one)] for one in (name, issuer)]  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names[0]))
        .issuer_name(x509.Name(names[1]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(signs, False, False, False, False, not signs, not signs, False, False)
