"""A FHIR R4 server in memory: transactions, conditional create and update, all or nothing (R4 3.1.0.11).

It validates every resource that it takes, and keeps versions. A script may answer in its place: before the
transaction (it refuses), or after it (the answer is lost).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fhir.resources.R4B import get_fhir_model_class

Resource = dict[str, Any]


class Refused(Exception):  # noqa: N818 - said by the server
    """The server refuses a request, with a status and an OperationOutcome."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status, self.told = status, told


@dataclass
class Reply:
    """What a script answers; `content` None is an OperationOutcome with the status."""

    status: int
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    """The transaction is carried out first."""
    hang_up: bool = False


@dataclass
class FhirStore:
    """Resources by type and ID, each with its versions, the last one last."""

    resources: dict[str, dict[str, list[Resource]]] = field(default_factory=dict)

    def all(self, name: str) -> list[Resource]:
        return [versions[-1] for versions in self.resources.get(name, {}).values()]

    def versions(self, name: str) -> list[int]:
        return [len(versions) for versions in self.resources.get(name, {}).values()]

    def add(self, resource: Resource) -> str:
        """Add a resource as if somebody else had made it; return its reference."""
        return self._write(deepcopy(resource), None)

    def transact(self, bundle: Resource) -> Resource:
        """Carry a transaction out as a whole, or refuse it as a whole."""
        _validate(bundle)
        found = [self._find(entry) for entry in bundle["entry"]]
        references: dict[str, str] = {}
        for entry, known in zip(bundle["entry"], found, strict=True):
            name = entry["resource"]["resourceType"]
            references[entry["fullUrl"]] = known or f"{name}/{self._new_id(name, references)}"
        answers = []
        for entry, known in zip(bundle["entry"], found, strict=True):
            reference = references[entry["fullUrl"]]
            if entry["request"]["method"] == "POST" and known:
                answers.append({"response": {"status": "200 OK", "location": reference}})
                continue
            resource = _resolved(entry["resource"], references)
            self._write(resource, reference.partition("/")[2])
            answers.append(
                {"response": {"status": "200 OK" if known else "201 Created", "location": reference}}
            )
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}

    def _new_id(self, name: str, taken: dict[str, str]) -> str:
        mine = sum(1 for each in taken.values() if each.startswith(f"{name}/"))
        return str(len(self.resources.get(name, {})) + mine + 1)

    def _find(self, entry: Resource) -> str | None:
        request = entry["request"]
        query = request.get("ifNoneExist") or urlsplit(request["url"]).query
        name = entry["resource"]["resourceType"]
        if request["url"].partition("?")[0] != name or not query:
            raise Refused(400, "an entry is not conditional")
        matches = [
            f"{name}/{number}"
            for number, versions in self.resources.get(name, {}).items()
            if _matches(versions[-1], query)
        ]
        if len(matches) > 1:
            raise Refused(412, f"{len(matches)} resources match")
        return matches[0] if matches else None

    def _write(self, resource: Resource, number: str | None) -> str:
        name = resource["resourceType"]
        held = self.resources.setdefault(name, {})
        number = number or str(len(held) + 1)
        held.setdefault(number, []).append(resource)
        return f"{name}/{number}"


def _matches(resource: Resource, query: str) -> bool:
    for key, values in parse_qs(query, strict_parsing=True).items():
        system, _, value = values[0].partition("|")
        if key == "identifier":
            tokens = [(each.get("system"), each.get("value")) for each in resource.get("identifier", ())]
        elif key == "_tag":
            tokens = [(each["system"], each["code"]) for each in resource.get("meta", {}).get("tag", ())]
        else:
            raise Refused(400, f"unknown parameter {key}")
        if (system, value) not in tokens:
            return False
    return True


def _resolved(value: Any, references: dict[str, str]) -> Any:
    if isinstance(value, dict):
        resolved = {key: _resolved(each, references) for key, each in value.items()}
        if str(resolved.get("reference", "")).startswith("urn:uuid:"):
            if resolved["reference"] not in references:
                raise Refused(400, "a reference leads nowhere")
            resolved["reference"] = references[resolved["reference"]]
        return resolved
    return [_resolved(each, references) for each in value] if isinstance(value, list) else value


def _validate(bundle: Resource) -> None:
    try:
        get_fhir_model_class("Bundle").model_validate(bundle)
    except ValueError as error:
        raise Refused(422, str(error)) from None


Script = Callable[[int], Reply | None]
"""Returns what is answered to the n-th transaction (from 1), None for what the server itself answers."""


@dataclass
class FhirServer:
    """The server's store, and what came, in order."""

    url: str
    store: FhirStore
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tokens: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    """Head and form of each request for a token."""


@contextmanager
def fhir_server(
    script: Script = lambda _: None,
    *,
    token: Reply | None = None,
    metadata: Reply | None = None,
    store: FhirStore | None = None,
) -> Iterator[FhirServer]:
    """Serve `<url>` as the FHIR base, and `<url>/token` as a token endpoint."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                if self.path == "/fhir/token":
                    form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
                    server.tokens.append((dict(self.headers), form))
                    self._say(token or Reply(200, b'{"access_token": "T-1", "token_type": "bearer"}'))
                elif self.path == "/fhir":
                    server.bodies.append(body)
                    server.headers.append(dict(self.headers))
                    self._transact(json.loads(body))
                else:
                    self._say(Reply(404, b"<html>"))

        def do_GET(self) -> None:
            server.headers.append(dict(self.headers))
            self._say(metadata or Reply(200, CAPABILITIES) if self.path == "/fhir/metadata" else Reply(404))

        def _transact(self, bundle: Resource) -> None:
            reply = script(len(server.bodies))
            if reply is not None and not reply.after:
                self._say(reply)
                return
            try:
                answer = server.store.transact(bundle)
            except Refused as refusal:
                self._say(Reply(refusal.status, outcome(refusal.told)))
            else:
                self._say(reply or Reply(200, json.dumps(answer).encode()))

        def _say(self, reply: Reply) -> None:
            if reply.hang_up:
                self.close_connection = True
                return
            content = outcome(f"status {reply.status}") if reply.content is None else reply.content
            self.send_response(reply.status)
            headers = {"Content-Type": "application/fhir+json", "Content-Length": str(len(content))}
            for name, value in (headers | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = FhirServer(f"http://127.0.0.1:{http.server_port}/fhir", store or FhirStore())
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def outcome(*told: str, severity: str = "error") -> bytes:
    """Return an OperationOutcome."""
    issues = [{"severity": severity, "code": "processing", "diagnostics": each} for each in told]
    return json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode()


def response(*statuses: str, objection: bytes | None = None) -> bytes:
    """Return a transaction response with these statuses, the objection at the last."""
    entries: list[Resource] = [{"response": {"status": each}} for each in statuses]
    if objection is not None:
        entries[-1]["response"]["outcome"] = json.loads(objection)
    return json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}).encode()


CAPABILITIES = json.dumps(
    {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "rest": [{"mode": "server", "interaction": [{"code": "transaction"}]}],
    }
).encode()
