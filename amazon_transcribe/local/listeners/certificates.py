"""A throwaway certificate authority for the local server's TLS port."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..._net.named_files import check_file
from ...exceptions import ValidationException, missing_extra

if TYPE_CHECKING:
    from cryptography import x509

_LIFETIME = timedelta(days=30)


class Certificates(NamedTuple):
    """PEM texts: the authority's certificate, the server's certificate and its key."""

    authority: bytes
    certificate: bytes
    key: bytes


def make_certificates(names: Iterable[str]) -> Certificates:
    """Make an authority for one certificate only; the authority's own key is discarded.

    :param names: Host names and addresses that the certificate is good for.
    :raises ValidationException: when the package `cryptography` is missing.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise ValidationException(
            missing_extra("a throwaway certificate", "local", error)
        ) from error

    def common_name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def usage(*, signs_certificates: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not signs_certificates,
            key_cert_sign=signs_certificates,
            crl_sign=signs_certificates,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )

    now = datetime.now(timezone.utc)
    authority_name = common_name("amazon-transcribe throwaway authority")
    authority_key, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())

    def builder(
        subject: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id),
                critical=False,
            )
        )

    authority = (
        builder(authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        builder(common_name("amazon-transcribe local server"), key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_alternative_name(n) for n in dict.fromkeys(names)]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Certificates(
        authority.public_bytes(pem),
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _alternative_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """Return the TLS settings of a server with a given certificate.

    :param cert: The certificate chain, PEM.
    :param key: Its key; None when it is in the same file.
    :raises OSError: when a file cannot be read.
    :raises ValidationException: when they are not a certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in filter(None, (cert, key)):
        check_file(file)
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise ValidationException(
            f"{cert}: not a certificate chain in PEM with the key that belongs to it"
        ) from error
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def throwaway_context(names: Iterable[str]) -> tuple[ssl.SSLContext, bytes]:
    """Return the TLS settings for a throwaway certificate, and its authority in PEM."""
    made = make_certificates(names)
    # `load_cert_chain` only reads files.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.touch(mode=0o600)
        path.write_bytes(made.certificate + made.key)
        return server_context(path, None), made.authority
