"""Make the certificates and keys of a control plane with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

_EXTENSIONS = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Authority:
    """A certificate authority in a folder: `certificate` is what clients trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings = folder / "openssl.cnf"
        self._settings.write_text(_EXTENSIONS)
        self.certificate, self._key = self._issue("authority", "/CN=tests", "authority", signed=False)

    def server(self) -> tuple[Path, Path]:
        """Return the certificate and the key of a server at 127.0.0.1."""
        return self._issue("server", "/CN=127.0.0.1", "server")

    def client(self, user: str, *groups: str) -> tuple[Path, Path]:
        """Return the certificate and the key by which the API server knows a user and the groups."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return self._issue(f"user-{user.replace(':', '-')}", subject, "client")

    def signing_key(self) -> Path:
        """Return a key that signs the tokens of service accounts."""
        path = self._folder / "service-accounts.key"
        _openssl("genrsa", "-out", str(path), "2048")
        return path

    def _issue(self, name: str, subject: str, section: str, *, signed: bool = True) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        signer = ["-CA", str(self.certificate), "-CAkey", str(self._key)] if signed else []
        _openssl(
            *("req", "-x509", "-config", str(self._settings), "-extensions", section, "-subj", subject),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", *signer),
            *("-keyout", str(key), "-out", str(certificate)),
        )
        return certificate, key


def _openssl(*arguments: str) -> None:
    answer = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {answer.stderr.strip()}")
