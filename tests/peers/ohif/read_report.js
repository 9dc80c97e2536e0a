// Reads a report with dcmjs and the report extension of OHIF, and prints what OHIF shows, as JSON.
//
// node read_report.js REPORT: a Part 10 file, or the DICOM JSON that a PACS sends OHIF (a name that ends in
// `.json`). OHIF, the adapters and dcmjs are as published; only their renderer is ours.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import * as adapters from "@cornerstonejs/adapters";
import * as renderer from "@cornerstonejs/core";
import dcmjs from "dcmjs";

const require = createRequire(import.meta.url);
const { DicomMessage, DicomMetaDictionary } = dcmjs.data;
const { annotations, tools } = renderer;
const { MeasurementReport } = adapters.adaptersSR.Cornerstone3D;

// shown to OHIF: every image, under its SOP Instance UID; and every tool into which it turns measurements
const imageIds = (report) =>
  report.CurrentRequestedProcedureEvidenceSequence.flatMap((study) =>
    study.ReferencedSeriesSequence.flatMap((series) =>
      series.ReferencedSOPSequence.map((image) => image.ReferencedSOPInstanceUID),
    ),
  );
const measurementTools = [...MeasurementReport.measurementAdapterByToolType.keys()];

function naturalized(path) {
  if (path.endsWith(".json")) {
    return DicomMetaDictionary.naturalizeDataset(JSON.parse(readFileSync(path, "utf8"))[0]);
  }
  const { dict } = DicomMessage.readFile(new Uint8Array(readFileSync(path)).buffer);
  return DicomMetaDictionary.naturalizeDataset(dict);
}

function ohifsExtension() {
  const utils = {
    guid: () => "guid",
    sopClassDictionary: {
      BasicTextSR: "1.2.840.10008.5.1.4.1.1.88.11",
      EnhancedSR: "1.2.840.10008.5.1.4.1.1.88.22",
      ComprehensiveSR: "1.2.840.10008.5.1.4.1.1.88.33",
      Comprehensive3DSR: "1.2.840.10008.5.1.4.1.1.88.34",
    },
    sortDisplaySetsCopy: (displaySets) => displaySets,
    sortStudyInstances: () => {},
  };
  const classes = { MetadataProvider: { getUIDsFromImageID: (id) => ({ SOPInstanceUID: id }) } };
  const provided = {
    "@ohif/core": { utils, classes },
    "@ohif/core/src/contextProviders/SystemProvider": {},
    "@ohif/extension-cornerstone": { Enums: {} },
    "@ohif/i18n": { t: (text) => text },
    "@ohif/ui-next": {},
    "@cornerstonejs/adapters": adapters,
    "@cornerstonejs/core": renderer,
    "@cornerstonejs/tools": renderer,
  };
  const file = require.resolve("@ohif/extension-cornerstone-dicom-sr");
  const module = { exports: {} };
  const load = new Function("module", "exports", "require", readFileSync(file, "utf8"));
  load(module, module.exports, (name) => provided[name] ?? require(name));
  return module.exports.default;
}

async function shownByOhif(report) {
  const extension = ohifsExtension();
  const services = {
    customizationService: { getCustomization: () => undefined },
    displaySetService: { EVENTS: {}, activeDisplaySets: [{ displaySetInstanceUID: "image" }], subscribe: () => {} },
    measurementService: { getSourceMappings: () => measurementTools.map((annotationType) => ({ annotationType })) },
  };
  const managers = {
    servicesManager: { services },
    extensionManager: { getDataSources: () => [{ getImageIdsForDisplaySet: () => imageIds(report) }] },
  };
  extension.preRegistration(managers);
  const handler = extension
    .getSopClassHandlerModule(managers)
    .find(({ sopClassUids }) => sopClassUids.includes(report.SOPClassUID));
  const [displaySet] = handler.getDisplaySetsFromSeries([report]);
  await displaySet.load();
  const tool = new tools.DICOMSRDisplay({}, {});
  return {
    measurements: displaySet.measurements.map(({ loaded, imageId }) => ({ loaded, imageId })),
    becomesMeasurements: displaySet.isRehydratable,
    drawn: annotations.map(({ data, metadata }) => ({
      text: tool._getTextBoxLinesFromLabels(data.labels),
      graphic: metadata.graphicType,
      points: data.renderableData[metadata.graphicType],
    })),
  };
}

// the libraries report on the console what they skip
const said = [];
console.log = console.info = (...words) => said.push(words.join(" "));
console.warn = console.error = (...words) => said.push(words.join(" "));

const report = naturalized(process.argv[2]);
const shown = await shownByOhif(report);
const asMeasurements = MeasurementReport.generateToolState(report, {}, renderer.metaData);
process.stdout.write(JSON.stringify({ ...shown, asMeasurements, said }));
