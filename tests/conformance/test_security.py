"""What the statement says of the audit trail and of TLS."""

from gateway import tls
from gateway.telemetry.audit import events, syslog
from tests.conformance.statement import TEXT, codes_in, table

MESSAGES = (
    events.APPLICATION_ACTIVITY,
    events.INSTANCES_TRANSFERRED,
    events.EXPORT,
    events.INSTANCES_ACCESSED,
    events.PATIENT_RECORD,
    events.QUERY,
    events.SECURITY_ALERT,
)


def test_audit_messages() -> None:
    stated = [codes_in(row["Event ID"]) for row in table("C-1")]
    assert stated == [[(code.value, code.scheme, code.meaning)] for code in MESSAGES]


def test_how_audit_messages_travel() -> None:
    severities = f"severity {syslog.NOTICE} or, for failures, {syslog.WARNING}"
    assert f"facility {syslog.SECURITY_AUTHORIZATION}, {severities}" in TEXT


def test_cipher_suites_of_tls_1_2() -> None:
    assert tls.CIPHERS_OF_1_2 == "ECDHE+AESGCM:ECDHE+CHACHA20"
    assert "the cipher suites ECDHE with AES-GCM or ChaCha20-Poly1305" in TEXT
